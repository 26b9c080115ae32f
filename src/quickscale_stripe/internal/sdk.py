"""Small readers of the SDK's objects."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Protocol

import stripe


class HasId(Protocol):
    id: str


def id_of(value: str | HasId | None) -> str | None:
    """Return the id of a field that Stripe gives as an id or, expanded, as the object."""
    return value if isinstance(value, str) or value is None else value.id


def given(**params: Any) -> dict[str, Any]:
    """Return the request parameters that have a value.

    Stripe unsets what is sent as an empty text, and refuses it where it can't be unset.
    """
    return {name: value for name, value in params.items() if value not in ("", None)}


def at(timestamp: int) -> datetime:
    """Stripe's seconds since 1970 as an aware time."""
    return datetime.fromtimestamp(timestamp, UTC)


def maybe_at(timestamp: int | None) -> datetime | None:
    return None if timestamp is None else at(timestamp)


def optional(value: stripe.StripeObject, field: str) -> Any:
    """Return a field, or ``None`` if Stripe leaves it out instead of setting it to null."""
    return value[field] if field in value else None  # noqa: SIM401  (it has no get)


def failure_of(intent: stripe.PaymentIntent) -> str:
    """Why the last attempt to pay failed, in words for the payer; empty when Stripe doesn't say."""
    error = intent.last_payment_error
    return (error and optional(error, "message")) or ""
