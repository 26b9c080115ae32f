"""What the classes of the installed ``stripe`` package declare about responses."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from functools import cache
from types import NoneType
from typing import Any

from stripe import StripeObject
from stripe._object_classes import get_object_class
from stripe._stripe_object import UntypedStripeObject

#: Declared fields that are in a response only if the request expands them or if they apply.
ABSENT = {
    "charge": {
        "authorization_code", "level3", "presentment_details", "radar_options", "refunds",
        "transfer",
    },
    "checkout.session": {
        "allowed_payment_method_types", "branding_settings", "excluded_payment_method_types",
        "line_items", "name_collection", "optional_items", "presentment_details",
    },
    "customer": {
        "business_name", "cash_balance", "customer_account", "individual_name",
        "invoice_credit_balance", "sources", "subscriptions", "tax", "tax_ids",
    },
    "event": {"account", "context"},
    "invoice": {
        "amount_paid_off_stripe", "confirmation_secret", "payments", "status_details",
        "threshold_reason",
    },
    "payment_intent": {
        "allowed_payment_method_types", "hooks", "payment_details", "payment_record",
        "presentment_details",
    },
    "price": {"currency_options", "tiers"},
    "product": {"tax_details"},
    "dispute": {"intended_submission_method", "network_reason_code"},
    "invoiceitem": {"frozen_fields", "invoicing_rules", "proration_details"},
    "plan": {"tiers"},
    "setup_intent": {"allowed_payment_method_types", "attach_to_self"},
    "refund": {
        "description", "failure_balance_transaction", "failure_reason", "instructions_email",
        "next_action", "pending_reason", "presentment_details",
    },
    "subscription": {"presentment_details", "status_details"},
    "subscription_item": {"billed_until", "current_trial"},
    "webhook_endpoint": {"secret"},
}  # fmt: skip
#: Fields that are never in a response about an object that exists.
_NEVER = {"deleted"}
#: Objects with one field for each of many types, of which only their own is present.
_NULLABLE = {"payment_method": {"allow_redisplay", "customer", "customer_account"}}


@cache
def fields_of_class(cls: Any) -> dict[str, bool]:
    """Return every field of a class of the SDK, and whether it may be null or absent."""
    fields: dict[str, bool] = {}
    for base in reversed(cls.__mro__):
        for key, hint in getattr(base, "__annotations__", {}).items():
            if not key.startswith("_") and typing.get_origin(hint) is not typing.ClassVar:
                fields[key] = NoneType in typing.get_args(hint)
    return fields


@cache
def _mappings(cls: Any) -> set[str]:
    """Return a class's fields that map keys without fixed names, such as currencies, to objects."""
    hints = getattr(cls, "__annotations__", {})
    return {
        key
        for key, hint in hints.items()
        for member in (hint, *typing.get_args(hint))
        if typing.get_origin(member) is UntypedStripeObject
    }


def declared_fields(kind: str) -> dict[str, bool]:
    """Return the fields of an object such as ``checkout.session``, and whether each may be null."""
    cls: Any = get_object_class("V1", kind)
    return fields_of_class(cls)


def complete(values: dict[str, Any]) -> dict[str, Any]:
    """Return a response's object, with null for each declared field that it doesn't give.

    Raises:
        AssertionError: a field that Stripe always fills is not given.
    """
    kind = values["object"]
    absent = ABSENT.get(kind, set()) | _NEVER
    result = dict(values)
    for key, optional in declared_fields(kind).items():
        if key not in result and key not in absent:
            if not optional:
                raise AssertionError(f"{kind}.{key} is always present at Stripe")
            if key in _NULLABLE.get(kind, {key}):
                result[key] = None
    return result


def undeclared(answer: Any) -> Iterator[str]:
    """Yield the dotted paths of all fields in a response that the SDK's classes don't declare."""
    yield from _undeclared(answer, None, "")


def _undeclared(value: Any, cls: Any, path: str) -> Iterator[str]:
    if isinstance(value, list):
        for index, member in enumerate(value):
            yield from _undeclared(member, cls, f"{path}[{index}]")
    if not isinstance(value, dict):
        return
    if isinstance(value.get("object"), str) and "deleted" not in value:
        cls = get_object_class("V1", value["object"])
    if cls is None or cls in (StripeObject, UntypedStripeObject):
        return
    fields = fields_of_class(cls)
    inner = getattr(cls, "_inner_class_types", {})
    for key, member in value.items():
        here = f"{path}.{key}" if path else key
        if key not in fields and key != "object":
            yield here
            continue
        for part in (member or {}).values() if key in _mappings(cls) else [member]:
            yield from _undeclared(part, inner.get(key), here)
