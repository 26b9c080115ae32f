"""Which function each type of event goes to.

A handler takes the stored event and treats it as "look at this object again": it refetches, so
it may run late, twice or in any order. Types have no ``v1.`` prefix here; thin events lose it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from quickscale_stripe.handlers import (
    catalogue,
    checkout,
    customers,
    reversals,
    subscriptions,
)
from quickscale_stripe.models import StripeEvent

Handler: TypeAlias = Callable[[StripeEvent], None]

HANDLERS: dict[str, Handler] = {
    **catalogue.HANDLERS,
    **checkout.HANDLERS,
    **customers.HANDLERS,
    **reversals.HANDLERS,
    **subscriptions.HANDLERS,
}


def handler_for(event_type: str) -> Handler | None:
    return HANDLERS.get(event_type)
