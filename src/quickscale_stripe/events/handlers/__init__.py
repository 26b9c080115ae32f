"""The function that handles each type of event.

A handler treats the stored event as "look at this object again". It fetches, so it may run late,
twice or in any order. It asks Stripe and returns what writes; see
:mod:`quickscale_stripe.internal.syncing`. ``None`` means that nothing is left to write. Types have
no ``v1.`` prefix here; it is removed from those of thin events.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from quickscale_stripe.events.handlers import (
    catalogue,
    checkout,
    customers,
    money_back,
    subscriptions,
)
from quickscale_stripe.internal.syncing import Write
from quickscale_stripe.models import StripeEvent

Handler: TypeAlias = Callable[[StripeEvent], Write[object] | None]

HANDLERS: dict[str, Handler] = {
    **catalogue.HANDLERS,
    **checkout.HANDLERS,
    **customers.HANDLERS,
    **money_back.HANDLERS,
    **subscriptions.HANDLERS,
}


def handler_for(event_type: str) -> Handler | None:
    return HANDLERS.get(event_type)
