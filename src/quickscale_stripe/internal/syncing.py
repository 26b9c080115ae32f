"""How Stripe's state is copied: fetch and compute first, then write in one transaction.

Each kind of object has a ``prepare(id)``, which asks Stripe and returns the function that writes.
Call it outside a transaction, so that no row is locked while Stripe responds and another page of
the same customer waits for the database alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, TypeVar

from quickscale_stripe.exceptions import NotOursError

T = TypeVar("T")
Write: TypeAlias = Callable[[], T]


def synced(prepare: Callable[[str], Write[T]], object_id: str) -> T | None:
    """Prepare and write; ``None`` when the object isn't this site's."""
    try:
        write = prepare(object_id)
    except NotOursError:
        return None
    return write()
