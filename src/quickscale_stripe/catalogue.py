"""The catalogue: products and prices, mirrored from Stripe.

Metadata that is read: ``credits`` and ``credits_interval`` (on the price, else on the product), and
``display_order`` (on either). What is archived or deleted at Stripe becomes inactive here and is
kept: payments and subscriptions refer to it. A fetch that began before the row's last one is
dropped, so that a slow answer doesn't bring an old state back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import stripe
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from quickscale_stripe.client import get_client
from quickscale_stripe.conf import app_settings
from quickscale_stripe.exceptions import StripeRefusedError, stripe_errors
from quickscale_stripe.models import StripePrice, StripeProduct
from quickscale_stripe.money import round_unit_price

if TYPE_CHECKING:
    from stripe.params import PriceListParams


@dataclass(frozen=True)
class Offer:
    """A price as a page compares it with the others of its kind and currency.

    ``price_per_credit`` is in minor units; ``savings`` is the whole per cent by which a credit is
    cheaper than in the dearest offer, 0 for that one.
    """

    price: StripePrice
    price_per_credit: Decimal | None
    savings: int


def packages() -> list[Offer]:
    """The credit packages on sale, in display order."""
    return _compare(StripePrice.objects.offered().one_time().filter(credits__gt=0))


def plans() -> list[Offer]:
    """The plans on sale, in display order.

    ``savings`` is by how much less a plan costs in a year than by its dearest interval. Only
    prices that bring the same credits in a year are compared.
    """
    prices = list(StripePrice.objects.offered().recurring())
    yearly = {price: (price.unit_amount or 0) * _times_a_year(price) for price in prices}
    kinds = {
        price: (price.product_id, price.currency, round(price.credits * _times_a_year(price), 4))
        for price in prices
    }
    dearest: dict[tuple[int, str, Decimal], Decimal] = {}
    for price, cost in yearly.items():
        dearest[kinds[price]] = max(cost, dearest.get(kinds[price], cost))
    return [
        Offer(
            price,
            price.price_per_credit and round_unit_price(price.price_per_credit),
            _percent_less(cost, dearest[kinds[price]]),
        )
        for price, cost in yearly.items()
    ]


def _times_a_year(price: StripePrice) -> Decimal:
    times = {"day": Decimal(365), "week": Decimal(365) / 7, "month": Decimal(12)}
    return times.get(price.interval, Decimal(1)) / price.interval_count


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
    """Fetch a product and write it here; one that Stripe doesn't have becomes inactive.

    Raises:
        StripeUnavailableError, StripeRefusedError
    """
    fetched_at = timezone.now()
    try:
        with stripe_errors():
            product = get_client().v1.products.retrieve(product_id)
    except StripeRefusedError as error:
        if not error.is_missing:
            raise
        StripeProduct.objects.filter(stripe_id=product_id).update(active=False)
        return None
    return _write_product(product, fetched_at)


def sync_price(price_id: str) -> StripePrice | None:
    """Fetch a price with its product and write both; a missing one becomes inactive.

    Raises:
        StripeUnavailableError, StripeRefusedError
    """
    fetched_at = timezone.now()
    try:
        with stripe_errors():
            price = get_client().v1.prices.retrieve(price_id, {"expand": ["product"]})
    except StripeRefusedError as error:
        if not error.is_missing:
            raise
        StripePrice.objects.filter(stripe_id=price_id).update(active=False)
        return None
    return _write_price(price, fetched_at)


def get_price(price_id: str) -> StripePrice | None:
    """The price from here, fetched from Stripe when it isn't known yet."""
    return StripePrice.objects.filter(stripe_id=price_id).first() or sync_price(price_id)


def sync_with_prices(product_id: str) -> StripeProduct | None:
    """Mirror a product and all of its prices; those that Stripe no longer lists become inactive.

    Raises:
        StripeUnavailableError, StripeRefusedError
    """
    product = sync_product(product_id)
    if product is None:
        StripePrice.objects.filter(product__stripe_id=product_id).update(active=False)
        return None
    began, client = timezone.now(), get_client()
    with stripe_errors():
        listed = list(_prices(client, product_id))
    for price in listed:
        _write_price(price, began)
    _retire(product.prices.all(), began)
    return product


def product_ids() -> list[str]:
    """Those of all products that Stripe lists, and of those that are known here as active.

    Raises:
        StripeUnavailableError, StripeRefusedError
    """
    with stripe_errors():
        listed = [product.id for product in _products(get_client())]
    known = StripeProduct.objects.filter(active=True, livemode=app_settings.live_mode)
    return list(dict.fromkeys([*listed, *known.values_list("stripe_id", flat=True)]))


def sync_all() -> Iterator[StripeProduct | StripePrice]:
    """Mirror the whole catalogue; yields each row as it is written.

    What Stripe no longer lists becomes inactive when the iteration ends. Rows of the other mode
    stay as they are.

    Raises:
        StripeUnavailableError, StripeRefusedError
    """
    client, began = get_client(), timezone.now()
    with stripe_errors():
        for product in _products(client):
            yield _write_product(product, began)
        for price in _prices(client):
            yield _write_price(price, began)
    _retire(StripeProduct.objects.all(), began)
    _retire(StripePrice.objects.all(), began)


def _products(client: stripe.StripeClient) -> Iterator[stripe.Product]:
    return client.v1.products.list({"limit": 100}).auto_paging_iter()


def _prices(client: stripe.StripeClient, product_id: str | None = None) -> Iterator[stripe.Price]:
    params: PriceListParams = {"limit": 100, "expand": ["data.product"]}
    if product_id:
        params["product"] = product_id
    return client.v1.prices.list(params).auto_paging_iter()


def _retire(rows: QuerySet[Any], began: datetime) -> None:
    """Make those inactive that a listing, begun then, lacked."""
    rows.filter(livemode=app_settings.live_mode, synced_at__lt=began).update(active=False)


@transaction.atomic
def _write_product(product: stripe.Product, fetched_at: datetime) -> StripeProduct:
    metadata = product.metadata.to_dict()
    row = StripeProduct.objects.select_for_update().filter(stripe_id=product.id).first()
    if row and row.synced_at > fetched_at:
        return row
    row, _ = StripeProduct.objects.update_or_create(
        stripe_id=product.id,
        defaults={
            "name": product.name,
            "description": product.description or "",
            "images": list(product.images),
            "features": [feature.name for feature in product.marketing_features if feature.name],
            "active": product.active,
            "livemode": product.livemode,
            "display_order": _whole(metadata.get("display_order")),
            "metadata": metadata,
            "synced_at": fetched_at,
        },
    )
    for price in row.prices.select_for_update():
        price.credits = parse_credits(_first("credits", price.metadata, metadata))
        price.save(update_fields=["credits"])
    return row


@transaction.atomic
def _write_price(price: stripe.Price, fetched_at: datetime) -> StripePrice:
    if isinstance(price.product, str):
        raise TypeError("The price's product has to be expanded.")
    product = _write_product(price.product, fetched_at)
    metadata = price.metadata.to_dict()
    row = StripePrice.objects.select_for_update().filter(stripe_id=price.id).first()
    if row and row.synced_at > fetched_at:
        return row
    row, _ = StripePrice.objects.update_or_create(
        stripe_id=price.id,
        defaults={
            "product": product,
            "nickname": price.nickname or "",
            "lookup_key": price.lookup_key or "",
            "currency": price.currency,
            "unit_amount": price.unit_amount,
            "interval": price.recurring.interval if price.recurring else "",
            "interval_count": price.recurring.interval_count if price.recurring else 1,
            "credits": parse_credits(_first("credits", metadata, product.metadata)),
            "active": price.active,
            "livemode": price.livemode,
            "display_order": _whole(metadata.get("display_order")),
            "metadata": metadata,
            "synced_at": fetched_at,
        },
    )
    return row


def parse_credits(text: str) -> Decimal:
    """The credits that metadata name; what is no amount of credits counts as none."""
    try:
        amount = Decimal(text)
    except InvalidOperation:
        return Decimal(0)
    fits = amount.is_finite() and 0 <= amount < 10**15
    return amount if fits and amount == round(amount, 4) else Decimal(0)


def _first(key: str, *metadata: dict[str, str]) -> str:
    return next((found[key] for found in metadata if found.get(key)), "0")


def _whole(value: str | None) -> int:
    try:
        number = int(value or 0)
    except ValueError:
        return 0
    return number if abs(number) < 2**31 else 0
