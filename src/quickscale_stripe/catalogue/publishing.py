"""Make, edit, archive and order products and prices at Stripe.

Each function asks Stripe first and then mirrors the result by ``catalogue.sync_...``. So the rows
here match Stripe's even if Stripe refuses or doesn't respond. Call the functions outside a
transaction that holds locks: they wait for Stripe.

Stripe can't change the amount, currency or interval of a price. An edit of these makes a new price,
which takes over the lookup key and the role of default price, and archives the old one. Existing
subscriptions keep the old price.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, fields
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Self, TypeVar

import stripe

from quickscale_stripe.catalogue import metadata, mirror
from quickscale_stripe.client import get_client
from quickscale_stripe.conf import app_settings
from quickscale_stripe.exceptions import (
    NotEditableError,
    StripeRefusedError,
    stripe_errors,
)
from quickscale_stripe.internal.sdk import given, id_of
from quickscale_stripe.models import StripePrice, StripeProduct

if TYPE_CHECKING:
    from stripe.params import (
        PriceCreateParams,
        PriceUpdateParams,
        ProductCreateParams,
        ProductUpdateParams,
    )

Row = TypeVar("Row", StripeProduct, StripePrice)

#: The fields whose edit makes a new price.
IMMUTABLE = {"currency", "unit_amount", "interval", "interval_count"}
_METADATA = ("credits", "credits_interval", "display_order", "most_chosen")


class Fields:
    """The editable fields of a row."""

    @property
    def fingerprint(self) -> str:
        """A short text that is the same for the same fields, as a part of references."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:32]

    def differences(self, other: Self) -> dict[str, tuple[Any, Any]]:
        """Return the fields that differ in ``other``, by name, with the values here and there."""
        pairs = {
            field.name: (getattr(self, field.name), getattr(other, field.name))
            for field in fields(self)  # type: ignore[arg-type]
        }
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


@dataclass(frozen=True, kw_only=True)
class ProductFields(Fields):
    """The editable fields of a product.

    Attributes:
        images: up to 8 addresses.
        credits: for prices that have none; ``None`` leaves the metadata out.
        credits_interval: likewise; ``"month"`` or empty.
        most_chosen: whether pages recommend it.
    """

    name: str
    description: str = ""
    images: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    active: bool = True
    display_order: int = 0
    credits: Decimal | None = None
    credits_interval: str = ""
    most_chosen: bool = False

    @classmethod
    def of(cls, product: StripeProduct) -> ProductFields:
        return cls(
            name=product.name,
            description=product.description,
            images=tuple(product.images),
            features=tuple(product.features),
            active=product.active,
            display_order=_stated("display_order", product) or 0,
            credits=_stated("credits", product),
            credits_interval=product.metadata.get("credits_interval", ""),
            most_chosen=product.is_most_chosen,
        )


@dataclass(frozen=True, kw_only=True)
class PriceFields(Fields):
    """The editable fields of a price.

    Attributes:
        unit_amount: in the currency's minor unit.
        interval: ``"day"``, ``"week"``, ``"month"``, ``"year"``, or empty for a one-time price.
        credits: ``None`` for the product's.
        credits_interval: ``"month"`` for equal monthly parts, ``"period"`` for all at once, empty
            for the product's.
    """

    currency: str
    unit_amount: int | None
    interval: str = ""
    interval_count: int = 1
    nickname: str = ""
    lookup_key: str = ""
    active: bool = True
    display_order: int = 0
    credits: Decimal | None = None
    credits_interval: str = ""

    @classmethod
    def of(cls, price: StripePrice) -> PriceFields:
        return cls(
            currency=price.currency,
            unit_amount=price.unit_amount,
            interval=price.interval,
            interval_count=price.interval_count,
            nickname=price.nickname,
            lookup_key=price.lookup_key,
            active=price.active,
            display_order=_stated("display_order", price) or 0,
            credits=_stated("credits", price),
            credits_interval=price.metadata.get("credits_interval", ""),
        )


def create_product(*, fields: ProductFields, reference: str, product_id: str = "") -> StripeProduct:
    """Make a product at Stripe.

    Args:
        reference: names this request, such as a UUID from the form; repeating it makes no second
            product.
        product_id: its id; if empty, Stripe makes one.

    Raises:
        PaymentsOffError, StripeUnavailableError, StripeRefusedError
    """
    params: ProductCreateParams = {
        "name": fields.name,
        "active": fields.active,
        "metadata": given(**_metadata(asdict(fields))) | _mark(),
    }
    if product_id:
        params["id"] = product_id
    if fields.description:
        params["description"] = fields.description
    if fields.images:
        params["images"] = list(fields.images)
    if fields.features:
        params["marketing_features"] = [{"name": name} for name in fields.features]
    with stripe_errors():
        made = get_client().v1.products.create(params, {"idempotency_key": f"product:{reference}"})
    return _found(mirror.sync_product(made.id), made.id)


def update_product(*, product: StripeProduct, fields: ProductFields) -> StripeProduct:
    """Change what differs from Stripe's current state; other metadata stays.

    Raises:
        PaymentsOffError, StripeUnavailableError, StripeRefusedError
    """
    current = _found(mirror.sync_product(product.stripe_id), product.stripe_id)
    differences = ProductFields.of(current).differences(fields)
    changes = {name: new for name, (_old, new) in differences.items()}
    if not changes and not lacks_mark(current):
        return current
    params: ProductUpdateParams = {}
    if "name" in changes:
        params["name"] = fields.name
    if "description" in changes:
        params["description"] = fields.description
    if "images" in changes:
        params["images"] = list(fields.images) or ""
    if "features" in changes:
        params["marketing_features"] = [{"name": name} for name in fields.features] or ""
    if "active" in changes:
        params["active"] = fields.active
    if texts := _metadata(changes) | _mark():
        params["metadata"] = texts
    with stripe_errors():
        get_client().v1.products.update(product.stripe_id, params)
    return _found(mirror.sync_product(product.stripe_id), product.stripe_id)


def create_price(*, product: StripeProduct, fields: PriceFields, reference: str) -> StripePrice:
    """Make a price of a product at Stripe.

    Args:
        reference: names this request; repeating it makes no second price.

    Raises:
        PaymentsOffError, StripeUnavailableError, StripeRefusedError: also for a lookup key that
            another price has.
    """
    params = _price_params(product.stripe_id, fields)
    with stripe_errors():
        made = get_client().v1.prices.create(params, {"idempotency_key": f"price:{reference}"})
    return _found(mirror.sync_price(made.id), made.id)


def update_price(*, price: StripePrice, fields: PriceFields, reference: str) -> StripePrice:
    """Change what differs from Stripe's current state; return the price that is now valid.

    That is a new one if the amount, the currency or the interval differs.

    Args:
        reference: names this request; repeating it makes no second price.

    Raises:
        NotEditableError: the price has parts that can't be copied to a new one.
        PaymentsOffError, StripeUnavailableError, StripeRefusedError
    """
    current = _found(mirror.sync_price(price.stripe_id), price.stripe_id)
    differences = PriceFields.of(current).differences(fields)
    changes = {name: new for name, (_old, new) in differences.items()}
    if IMMUTABLE & changes.keys():
        return _replace(current, fields, reference)
    params: PriceUpdateParams = {}
    if "nickname" in changes:
        params["nickname"] = fields.nickname
    if "lookup_key" in changes:
        params["lookup_key"] = fields.lookup_key
    if "active" in changes:
        params["active"] = fields.active
    if texts := _metadata(changes):
        params["metadata"] = texts
    return _send(current, params) if params else current


def set_active(*, row: Row, active: bool) -> Row:
    """Put a product or price on sale, or archive it. Subscriptions keep archived ones.

    Raises:
        PaymentsOffError, StripeUnavailableError, StripeRefusedError
    """
    return _send(row, {"active": active})


def _send(row: Row, params: Any) -> Row:
    """Update a row at Stripe and mirror it."""
    client = get_client().v1
    if isinstance(row, StripeProduct):
        with stripe_errors():
            client.products.update(row.stripe_id, params)
        return _found(mirror.sync_product(row.stripe_id), row.stripe_id)
    with stripe_errors():
        if params.get("active") is False:
            _hand_over_default(client, row, "")
        client.prices.update(row.stripe_id, params)
    return _found(mirror.sync_price(row.stripe_id), row.stripe_id)


def _replace(price: StripePrice, fields: PriceFields, reference: str) -> StripePrice:
    """Make the new price, hand over to it and archive the old one; each step is repeatable."""
    client = get_client().v1
    with stripe_errors():
        old = client.prices.retrieve(price.stripe_id, {"expand": ["currency_options"]})
    _check_replaceable(old)
    params = _price_params(price.product.stripe_id, fields)
    params["metadata"] = given(**{**old.metadata.to_dict(), **_metadata(asdict(fields))})
    if old.recurring and old.recurring.trial_period_days and "recurring" in params:
        params["recurring"]["trial_period_days"] = old.recurring.trial_period_days
    if old.tax_behavior:
        params["tax_behavior"] = old.tax_behavior
    if fields.lookup_key:
        params["transfer_lookup_key"] = True
    with stripe_errors():
        new = client.prices.create(params, {"idempotency_key": f"price:{reference}"})
        _hand_over_default(client, price, new.id)
        client.prices.update(price.stripe_id, {"active": False})
    mirror.sync_price(price.stripe_id)
    return _found(mirror.sync_price(new.id), new.id)


def _hand_over_default(client: Any, price: StripePrice, to: str) -> None:
    """Make another price, or none, the product's default, because Stripe can't archive a
    default."""
    product: stripe.Product = client.products.retrieve(price.product.stripe_id)
    if id_of(product.default_price) == price.stripe_id:
        client.products.update(product.id, {"default_price": to})


def _check_replaceable(price: stripe.Price) -> None:
    recurring = price.recurring
    options = price.currency_options
    others = set(options.to_dict() if options else ()) - {price.currency}
    if (
        price.unit_amount is None
        or price.billing_scheme != "per_unit"
        or price.transform_quantity
        or others
        or (recurring and recurring.usage_type != "licensed")
    ):
        raise NotEditableError(
            f"{price.id} has tiers, several currencies or metered use: change it at Stripe."
        )


def _price_params(product_id: str, fields: PriceFields) -> PriceCreateParams:
    params: PriceCreateParams = {
        "product": product_id,
        "currency": fields.currency,
        "active": fields.active,
        "metadata": given(**_metadata(asdict(fields))),
    }
    if fields.unit_amount is not None:
        params["unit_amount"] = fields.unit_amount
    if fields.interval:
        params["recurring"] = {
            "interval": fields.interval,
            "interval_count": fields.interval_count,
        }
    if fields.nickname:
        params["nickname"] = fields.nickname
    if fields.lookup_key:
        params["lookup_key"] = fields.lookup_key
    return params


def lacks_mark(product: StripeProduct) -> bool:
    """Return whether a product lacks the mark of the catalogue that the site's settings name."""
    name = app_settings.catalogue
    return bool(name) and product.metadata.get("catalogue") != name


def _metadata(values: dict[str, Any]) -> dict[str, str]:
    """Return the fields that are metadata, as Stripe wants them; an empty text unsets one."""
    return {
        key: "" if values[key] is None else _text(values[key]) for key in _METADATA if key in values
    }


def _mark() -> dict[str, str]:
    return {"catalogue": app_settings.catalogue} if app_settings.catalogue else {}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else ""
    return metadata.credits_text(value) if isinstance(value, Decimal) else str(value)


def _stated(key: str, row: StripeProduct | StripePrice) -> Any:
    """Return the value in a row's own metadata, or ``None``; the text if it can't be read."""
    text = row.metadata.get(key)
    if not text:
        return None
    values, _errors = metadata.read_price({key: text}, {})
    return values.get(key, text)


def _found(row: Row | None, stripe_id: str) -> Row:
    if row is None:
        raise StripeRefusedError(f"Stripe has no {stripe_id}.", code="resource_missing")
    return row
