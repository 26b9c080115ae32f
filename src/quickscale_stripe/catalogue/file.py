"""A catalogue in a file: read, compared with Stripe, and pushed change by change.

A product is identified by its id, and a price by its lookup key. A price without a key is
identified by its amount, currency and interval, which never change. Prices without an amount, such
as tiers, are not in files and stay as they are.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import MISSING, dataclass, fields
from decimal import Decimal
from typing import Any, TypeVar

from django.db.models import QuerySet

from quickscale_stripe.catalogue import metadata, mirror, publishing
from quickscale_stripe.catalogue.publishing import IMMUTABLE, Fields, PriceFields, ProductFields
from quickscale_stripe.conf import app_settings
from quickscale_stripe.exceptions import PaymentsError
from quickscale_stripe.models import StripePrice, StripeProduct

F = TypeVar("F", ProductFields, PriceFields)


class BadFileError(PaymentsError):
    """The file is not a catalogue; the message says where."""


@dataclass(frozen=True)
class Entry:
    """A product of a file with its prices."""

    product_id: str
    fields: ProductFields
    prices: tuple[PriceFields, ...]


@dataclass(frozen=True)
class Change:
    """A change to make at Stripe; ``apply`` makes it and raises ``PaymentsError``."""

    summary: str
    apply: Callable[[], object]


def read(text: str) -> list[Entry]:
    """Read the products from a file's JSON.

    Raises:
        BadFileError
    """
    try:
        content = json.loads(text, parse_float=Decimal)
    except ValueError as error:
        raise BadFileError(f"It is not JSON: {error}") from error
    listed = content.get("products") if isinstance(content, dict) else None
    if not isinstance(listed, list):
        raise BadFileError('It has no list "products".')
    entries = [_entry(item, f"products[{number}]") for number, item in enumerate(listed)]
    _refuse_twice([entry.product_id for entry in entries], "products")
    _refuse_twice([price.lookup_key for entry in entries for price in entry.prices], "prices")
    return entries


def write(using: str | None = None) -> str:
    """Return this site's active prices and their products as JSON for :func:`read`.

    Defaults are left out.

    Raises:
        BadFileError: metadata of a product or price can't be read.
    """
    on_sale = (
        StripePrice.objects.using(using)
        .filter(for_sale=True, active=True, unit_amount__isnull=False, product__active=True)
        .filter(livemode=app_settings.live_mode)
    )
    products: dict[StripeProduct, list[dict[str, Any]]] = {}
    for price in on_sale.select_related("product").order_by(
        "product__display_order", "product_id", "pk"
    ):
        _refuse_unreadable(price)
        products.setdefault(price.product, []).append(_plain(PriceFields.of(price)))
    listed = [
        {"id": product.stripe_id, **_plain(ProductFields.of(product)), "prices": prices}
        for product, prices in products.items()
    ]
    return json.dumps({"products": listed}, indent=2, ensure_ascii=False)


def compare(entry: Entry, *, archive: bool) -> Iterator[Change]:
    """Yield the differences between an entry and Stripe's current state, which is mirrored first.

    Args:
        archive: whether to archive prices on sale that the file doesn't have.

    Raises:
        PaymentsOffError, StripeUnavailableError, StripeRefusedError
    """
    product = mirror.sync_with_prices(entry.product_id)
    left = list(_priced(product).order_by("-active", "pk")) if product else []
    if product is None:
        yield _creation(entry)
    elif differences := _differences(product, entry.fields):
        yield _product_change(product, entry.fields, _summary(differences))
    for wanted, price in _pair(entry.prices, left):
        if price is None:
            yield _price_creation(entry.product_id, wanted)
        elif changes := PriceFields.of(price).differences(wanted):
            note = " (makes a new price)" if IMMUTABLE & changes.keys() else ""
            yield _price_change(price, wanted, _summary(changes) + note)
    for price in left:
        if price.active and archive:
            yield _archival(price)


def _differences(product: StripeProduct, wanted: ProductFields) -> dict[str, tuple[Any, Any]]:
    differences = ProductFields.of(product).differences(wanted)
    if publishing.lacks_mark(product):
        before = product.metadata.get("catalogue", "")
        differences["catalogue"] = (before, app_settings.catalogue)
    return differences


def _refuse_unreadable(price: StripePrice) -> None:
    for row in (price.product, price):
        for problem in metadata.problems(row.metadata_errors):
            raise BadFileError(f"{row.stripe_id}: {problem}")


def _priced(product: StripeProduct) -> QuerySet[StripePrice]:
    return product.prices.filter(unit_amount__isnull=False)


def _pair(
    prices: Iterable[PriceFields], left: list[StripePrice]
) -> list[tuple[PriceFields, StripePrice | None]]:
    """Return each of an entry's prices with its current one, which is removed from ``left``."""
    found: dict[int, StripePrice] = {}
    for matches in (_has_key, _has_terms):
        for number, wanted in enumerate(prices):
            price = next((one for one in left if matches(one, wanted)), None)
            if price and number not in found:
                found[number] = price
                left.remove(price)
    return [(wanted, found.get(number)) for number, wanted in enumerate(prices)]


def _has_key(price: StripePrice, wanted: PriceFields) -> bool:
    return bool(wanted.lookup_key) and price.lookup_key == wanted.lookup_key


def _has_terms(price: StripePrice, wanted: PriceFields) -> bool:
    if price.lookup_key and wanted.lookup_key:
        return False
    return not IMMUTABLE & PriceFields.of(price).differences(wanted).keys()


def _creation(entry: Entry) -> Change:
    reference = f"{entry.product_id}:{entry.fields.fingerprint}"
    return Change(
        f"+ product {entry.product_id}: {entry.fields.name}",
        lambda: publishing.create_product(
            fields=entry.fields, reference=reference, product_id=entry.product_id
        ),
    )


def _product_change(product: StripeProduct, wanted: ProductFields, what: str) -> Change:
    return Change(
        f"~ product {product.stripe_id}: {what}",
        lambda: publishing.update_product(product=product, fields=wanted),
    )


def _price_creation(product_id: str, wanted: PriceFields) -> Change:
    def create() -> StripePrice:
        product = StripeProduct.objects.filter(stripe_id=product_id).first()
        if product is None:
            raise PaymentsError(f"{product_id} is not here.")
        reference = f"{product_id}:{wanted.fingerprint}"
        return publishing.create_price(product=product, fields=wanted, reference=reference)

    return Change(f"+ price {_name(wanted)} of {product_id}", create)


def _price_change(price: StripePrice, wanted: PriceFields, what: str) -> Change:
    reference = f"{price.stripe_id}:{wanted.fingerprint}"
    return Change(
        f"~ price {price.stripe_id}: {what}",
        lambda: publishing.update_price(price=price, fields=wanted, reference=reference),
    )


def _archival(price: StripePrice) -> Change:
    return Change(
        f"- price {price.stripe_id} ({_name(PriceFields.of(price))}) is not in the file",
        lambda: publishing.set_active(row=price, active=False),
    )


def _name(price: PriceFields) -> str:
    if price.lookup_key:
        return price.lookup_key
    every = f" every {price.interval_count} {price.interval}" if price.interval else ""
    return f"{price.unit_amount} {price.currency}{every}"


def _summary(differences: dict[str, tuple[Any, Any]]) -> str:
    return "; ".join(
        f"{name}: {_shown(old)} -> {_shown(new)}" for name, (old, new) in differences.items()
    )


def _shown(value: Any) -> str:
    return (
        str(_json(value)) if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False)
    )


# The file's form ---------------------------------------------------------------------------------


def _entry(item: Any, where: str) -> Entry:
    if not isinstance(item, dict):
        raise BadFileError(f"{where}: give an object.")
    rest = dict(item)
    product_id, prices = rest.pop("id", None), rest.pop("prices", [])
    if not isinstance(product_id, str) or not product_id:
        raise BadFileError(f'{where}: give an "id".')
    if not isinstance(prices, list):
        raise BadFileError(f"{where}.prices: give a list.")
    return Entry(
        product_id,
        _fields(ProductFields, rest, where),
        tuple(
            _fields(PriceFields, price, f"{where}.prices[{number}]")
            for number, price in enumerate(prices)
        ),
    )


def _fields(cls: type[F], item: Any, where: str) -> F:
    if not isinstance(item, dict):
        raise BadFileError(f"{where}: give an object.")
    known = {field.name: field for field in fields(cls)}
    for name in item.keys() - known.keys():
        raise BadFileError(f"{where}: unknown field {name!r}.")
    for name, field in known.items():
        if field.default is MISSING and name not in item:
            raise BadFileError(f"{where}: {name!r} is missing.")
    return cls(**{name: _value(name, value, f"{where}.{name}") for name, value in item.items()})


def _value(name: str, value: Any, where: str) -> Any:
    expected, fits, convert = _FORMS[name]
    if not fits(value):
        raise BadFileError(f"{where}: give {expected}.")
    return convert(value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def _is_credits(value: Any) -> bool:
    try:
        _credits(value)
    except (TypeError, ValueError):
        return False
    return True


def _credits(value: Any) -> Decimal | None:
    """Credits in a file: a number, or a text as in metadata."""
    if value is None:
        return None
    if isinstance(value, bool):
        raise TypeError
    amount = metadata.parse_credits(value) if isinstance(value, str) else Decimal(value)
    if not 0 <= amount < 10**15 or amount != round(amount, 4):
        raise ValueError
    return amount


def _same(value: Any) -> Any:
    return value


_TEXT = ("a text", lambda value: isinstance(value, str), _same)
_TEXTS = ("a list of texts", _are_texts, tuple)
_FORMS: dict[str, tuple[str, Callable[[Any], bool], Callable[[Any], Any]]] = {
    "name": ("a text", lambda value: isinstance(value, str) and bool(value.strip()), _same),
    "description": _TEXT,
    "images": _TEXTS,
    "features": _TEXTS,
    "active": ("true or false", lambda value: isinstance(value, bool), _same),
    "display_order": ("a whole number", _is_whole, _same),
    "most_chosen": ("true or false", lambda value: isinstance(value, bool), _same),
    "credits": (
        "a number, 0 or more, with at most 4 decimals, or null",
        _is_credits,
        _credits,
    ),
    "credits_interval": (
        '"", "month" or "period"',
        lambda value: value in ("", "month", "period"),
        _same,
    ),
    "currency": (
        "three letters",
        lambda value: isinstance(value, str) and len(value) == 3 and value.isalpha(),
        str.lower,
    ),
    "unit_amount": (
        "a whole number of minor units",
        lambda value: _is_whole(value) and value >= 0,
        _same,
    ),
    "interval": (
        '"", "day", "week", "month" or "year"',
        lambda value: value in ("", *StripePrice.Interval.values),
        _same,
    ),
    "interval_count": ("1 or more", lambda value: _is_whole(value) and value > 0, _same),
    "nickname": _TEXT,
    "lookup_key": _TEXT,
}


def _plain(values: Fields) -> dict[str, Any]:
    """Return a row's fields in a file: those that differ from the default."""
    return {
        field.name: _json(getattr(values, field.name))
        for field in fields(values)  # type: ignore[arg-type]
        if getattr(values, field.name) != field.default
    }


def _json(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == int(value) else metadata.credits_text(value)
    return list(value) if isinstance(value, tuple) else value


def _refuse_twice(names: list[str], what: str) -> None:
    given = [name for name in names if name]
    for name in given:
        if given.count(name) > 1:
            raise BadFileError(f"Two {what} have the name {name!r}.")
