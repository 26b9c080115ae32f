"""Small readers of the SDK's objects."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol


class HasId(Protocol):
    id: str


def id_of(value: str | HasId | None) -> str | None:
    """The id of a field that Stripe gives as an id or, expanded, as the object."""
    return value if isinstance(value, str) or value is None else value.id


def at(timestamp: int) -> datetime:
    """Stripe's seconds since 1970 as an aware time."""
    return datetime.fromtimestamp(timestamp, UTC)


def maybe_at(timestamp: int | None) -> datetime | None:
    return None if timestamp is None else at(timestamp)
