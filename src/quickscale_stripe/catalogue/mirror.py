"""The catalogue: this site's products and prices, mirrored from Stripe.

On an account that several sites share, only two kinds of prices are mirrored: those that
:mod:`quickscale_stripe.catalogue.metadata` counts as this site's, and those that a subscription or
a payment of this site refers to. What is archived or deleted at Stripe is kept here but becomes
inactive. A fetch that began before the row's last one is dropped, so a slow response can't bring an
old state back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

import stripe
from django.db import transaction
from django.db.models import QuerySet

from quickscale.internal.money import round_unit_price
from quickscale_stripe import signals
from quickscale_stripe.catalogue import metadata
from quickscale_stripe.client import get_client
from quickscale_stripe.conf import app_settings
from quickscale_stripe.exceptions import NotOursError, StripeRefusedError, stripe_errors
from quickscale_stripe.internal import clock
from quickscale_stripe.internal.sdk import id_of
from quickscale_stripe.internal.syncing import Write
from quickscale_stripe.models import StripePrice, StripeProduct

if TYPE_CHECKING:
    from stripe.params import PriceListParams

_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Offer:
    """A price as a page compares it with the others of its kind and currency.

    ``price_per_credit`` is in minor units. ``savings`` is how much cheaper a credit is than in the
    most expensive offer, in whole per cent; 0 for that one. ``free_months`` is how many months of
    the monthly price a longer one leaves out, if they are whole months.
    """

    price: StripePrice
    price_per_credit: Decimal | None
    savings: int
    free_months: int = 0


def packages(*, owner: Any = None) -> list[Offer]:
    """Return the credit packages on sale, to ``owner`` if given, in display order."""
    return _compare(StripePrice.objects.offered(owner=owner).one_time())


def plans_and_packages(*, owner: Any = None) -> tuple[list[Offer], list[Offer]]:
    """Return what :func:`plans` and :func:`packages` do, read together."""
    prices = list(StripePrice.objects.offered(owner=owner))
    recurring = [price for price in prices if price.is_subscription]
    return _compare_plans(recurring), _compare(price for price in prices if price.is_one_time)


def plans(*, owner: Any = None) -> list[Offer]:
    """Return the plans on sale, to ``owner`` if given, in display order.

    ``savings`` is how much less a plan costs in a year than with its most expensive interval.
    Only prices that bring the same credits in a year are compared.
    """
    return _compare_plans(list(StripePrice.objects.offered(owner=owner).recurring()))


def _compare_plans(prices: list[StripePrice]) -> list[Offer]:
    yearly = {price: (price.unit_amount or 0) * _times_a_year(price) for price in prices}
    kinds = {
        price: (price.product_id, price.currency, round(price.credits * _times_a_year(price), 4))
        for price in prices
    }
    monthly = {kinds[price]: price.unit_amount or 0 for price in prices if price.months == 1}
    dearest: dict[tuple[int, str, Decimal], Decimal] = {}
    for price, cost in yearly.items():
        dearest[kinds[price]] = max(cost, dearest.get(kinds[price], cost))
    return [
        Offer(
            price,
            price.price_per_credit and round_unit_price(price.price_per_credit),
            _percent_less(cost, dearest[kinds[price]]),
            _free_months(price, monthly.get(kinds[price], 0)),
        )
        for price, cost in yearly.items()
    ]


def _times_a_year(price: StripePrice) -> Decimal:
    times = {"day": Decimal(365), "week": Decimal(365) / 7, "month": Decimal(12)}
    return times.get(price.interval, Decimal(1)) / price.interval_count


def _free_months(price: StripePrice, monthly: int) -> int:
    """Return how many monthly payments a price for several months saves, if that is a whole
    number."""
    saved = monthly * price.months - (price.unit_amount or 0)
    return saved // monthly if monthly and saved > 0 and saved % monthly == 0 else 0


def _percent_less(cost: Decimal, most: Decimal) -> int:
    return int(100 * (1 - cost / most)) if most else 0


def _compare(prices: Iterable[StripePrice]) -> list[Offer]:
    each = {price: price.price_per_credit for price in prices}
    dearest: dict[str, Decimal] = {}
    for price, cost in each.items():
        if cost is not None:
            dearest[price.currency] = max(cost, dearest.get(price.currency, cost))
    return [
        Offer(
            price,
            None if cost is None else round_unit_price(cost),
            _percent_less(cost, dearest[price.currency]) if cost else 0,
        )
        for price, cost in each.items()
    ]


def sync_product(product_id: str) -> StripeProduct | None:
    """Mirror a product, even of another site; one that Stripe doesn't have becomes inactive.

    Raises:
        StripeUnavailableError, StripeRefusedError
    """
    fetched_at = clock.database_now()
    product = _fetch_product(product_id)
    return _write_product(product, fetched_at) if product else None


def sync_price(price_id: str) -> StripePrice | None:
    """Mirror a price with its product, even of another site; a missing one becomes inactive.

    Raises:
        StripeUnavailableError, StripeRefusedError
    """
    fetched_at = clock.database_now()
    price = _fetch_price(price_id)
    return _write_price(price, fetched_at) if price else None


def prepare_product(product_id: str) -> Write[object]:
    """Fetch a product that an event names, and return what mirrors it.

    Raises:
        NotOursError, StripeUnavailableError, StripeRefusedError
    """
    fetched_at = clock.database_now()
    is_known = StripeProduct.objects.filter(stripe_id=product_id).exists()
    product = _fetch_product(product_id)
    if product and (is_known or metadata.is_ours({}, product.metadata.to_dict())):
        return partial(_write_product, product, fetched_at)
    if is_known:
        return _nothing
    raise NotOursError(f"The product {product_id} is not in this site's catalogue.")


def prepare_price(price_id: str) -> Write[object]:
    """Fetch a price that an event names, and return what mirrors it with its product.

    Raises:
        NotOursError, StripeUnavailableError, StripeRefusedError
    """
    fetched_at = clock.database_now()
    is_known = StripePrice.objects.filter(stripe_id=price_id).exists()
    price = _fetch_price(price_id)
    if price and (is_known or _is_ours(price)):
        return partial(_write_price, price, fetched_at)
    if is_known:
        return _nothing
    raise NotOursError(f"The price {price_id} is not in this site's catalogue.")


def get_price(price_id: str) -> StripePrice | None:
    """Return the price; fetch it from Stripe if it isn't here yet."""
    return StripePrice.objects.filter(stripe_id=price_id).first() or sync_price(price_id)


class Prices(dict[str, StripePrice | None]):
    """Prices by their ids; those that are missing are read once, as :func:`get_price` does."""

    def __missing__(self, price_id: str) -> StripePrice | None:
        self[price_id] = get_price(price_id)
        return self[price_id]


def sync_with_prices(product_id: str) -> StripeProduct | None:
    """Mirror a product and its prices; those that Stripe no longer lists become inactive.

    Raises:
        StripeUnavailableError, StripeRefusedError
    """
    product = sync_product(product_id)
    if product is None:
        StripePrice.objects.filter(product__stripe_id=product_id).update(active=False)
        return None
    began, client = clock.database_now(), get_client()
    with stripe_errors():
        listed = list(_prices(client, product_id))
    known = set(product.prices.values_list("stripe_id", flat=True))
    for price in listed:
        if price.id in known or _is_ours(price):
            _write_price(price, began)
    _retire(product.prices.all(), began)
    return product


def product_ids() -> list[str]:
    """Return the products of this site's prices at Stripe, and those that are active here.

    Raises:
        StripeUnavailableError, StripeRefusedError
    """
    with stripe_errors():
        listed = [id_of(price.product) for price in _prices(get_client()) if _is_ours(price)]
    known = StripeProduct.objects.filter(active=True, livemode=app_settings.live_mode)
    ids = [*listed, *known.values_list("stripe_id", flat=True)]
    return [product_id for product_id in dict.fromkeys(ids) if product_id]


def sync_all(
    *, on_foreign: Callable[[stripe.Price], object] = lambda price: None
) -> Iterator[StripeProduct | StripePrice]:
    """Mirror this site's catalogue; yield each row as it is written.

    What Stripe no longer lists becomes inactive when the iteration ends. Rows of the other mode
    stay as they are.

    Args:
        on_foreign: called with each price that is left out because it isn't this site's.

    Raises:
        StripeUnavailableError, StripeRefusedError
    """
    client, began = get_client(), clock.database_now()
    products = set(StripeProduct.objects.values_list("stripe_id", flat=True))
    prices = set(StripePrice.objects.values_list("stripe_id", flat=True))
    with stripe_errors():
        for product in _products(client):
            if product.id in products or metadata.is_ours({}, product.metadata.to_dict()):
                yield _write_product(product, began)
        for price in _prices(client):
            if price.id in prices or _is_ours(price):
                yield _write_price(price, began)
            else:
                on_foreign(price)
    _retire(StripeProduct.objects.all(), began)
    _retire(StripePrice.objects.all(), began)


def _nothing() -> None:
    """Stripe no longer has the row, which is already inactive."""


def _products(client: stripe.StripeClient) -> Iterator[stripe.Product]:
    return client.v1.products.list({"limit": 100}).auto_paging_iter()


def _prices(client: stripe.StripeClient, product_id: str | None = None) -> Iterator[stripe.Price]:
    params: PriceListParams = {"limit": 100, "expand": ["data.product"]}
    if product_id:
        params["product"] = product_id
    return client.v1.prices.list(params).auto_paging_iter()


def _fetch_product(product_id: str) -> stripe.Product | None:
    try:
        with stripe_errors():
            return get_client().v1.products.retrieve(product_id)
    except StripeRefusedError as error:
        if not error.is_missing:
            raise
    StripeProduct.objects.filter(stripe_id=product_id).update(active=False)
    return None


def _fetch_price(price_id: str) -> stripe.Price | None:
    try:
        with stripe_errors():
            return get_client().v1.prices.retrieve(price_id, {"expand": ["product"]})
    except StripeRefusedError as error:
        if not error.is_missing:
            raise
    StripePrice.objects.filter(stripe_id=price_id).update(active=False)
    return None


def _is_ours(price: stripe.Price) -> bool:
    return metadata.is_ours(price.metadata.to_dict(), _product_of(price).metadata.to_dict())


def _product_of(price: stripe.Price) -> stripe.Product:
    if isinstance(price.product, str):
        raise TypeError("The price's product must be expanded.")
    return price.product


def _retire(rows: QuerySet[Any], began: datetime) -> None:
    """Deactivate the rows that were missing from a listing that began then."""
    rows.filter(livemode=app_settings.live_mode, synced_at__lt=began).update(active=False)


@transaction.atomic
def _write_product(product: stripe.Product, fetched_at: datetime) -> StripeProduct:
    StripeProduct.objects.get_or_create(stripe_id=product.id, defaults={"synced_at": _NEVER})
    row = StripeProduct.objects.select_for_update().get(stripe_id=product.id)
    if row.synced_at > fetched_at:
        return row
    row.name, row.description = product.name, product.description or ""
    row.images = list(product.images)
    row.features = [feature.name for feature in product.marketing_features if feature.name]
    row.active, row.livemode = product.active, product.livemode
    before, row.metadata = row.metadata, product.metadata.to_dict()
    values, row.metadata_errors = metadata.read_product(row.metadata)
    row.display_order = values.get("display_order", row.display_order)
    row.synced_at = fetched_at
    row.save()
    if row.metadata != before:
        for price in row.prices.select_for_update():
            price.product = row
            _take_metadata(price)
            price.save()
    return row


@transaction.atomic
def _write_price(price: stripe.Price, fetched_at: datetime) -> StripePrice:
    product = _write_product(_product_of(price), fetched_at)
    StripePrice.objects.get_or_create(
        stripe_id=price.id, defaults={"product": product, "synced_at": _NEVER}
    )
    row = StripePrice.objects.select_for_update().get(stripe_id=price.id)
    if row.synced_at > fetched_at:
        return row
    row.product = product
    row.nickname, row.lookup_key = price.nickname or "", price.lookup_key or ""
    row.currency, row.unit_amount = price.currency, price.unit_amount
    row.interval = price.recurring.interval if price.recurring else ""
    row.interval_count = price.recurring.interval_count if price.recurring else 1
    row.active, row.livemode = price.active, price.livemode
    row.metadata = price.metadata.to_dict()
    _take_metadata(row)
    row.synced_at = fetched_at
    row.save()
    return row


def _take_metadata(price: StripePrice) -> None:
    """Read a price's metadata. What can't be read keeps its last good value and is reported.

    A price that was never sold is held back until its credits can be read.
    """
    before, product = price.metadata_errors, price.product.metadata
    values, errors = metadata.read_price(price.metadata, product)
    for name, value in values.items():
        setattr(price, name, value)
    is_ours = metadata.is_ours(price.metadata, product)
    price.metadata_errors = errors if is_ours else {}
    price.for_sale = is_ours and (price.for_sale or not errors.keys() & metadata.ABOUT_CREDITS)
    if price.metadata_errors and price.metadata_errors != before:
        signals.send_after_commit(signals.catalogue_problem, StripePrice, price=price)
