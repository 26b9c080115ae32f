from __future__ import annotations

from quickscale_stripe import fulfilment
from quickscale_stripe.models import StripeEvent


def session(event: StripeEvent) -> None:
    fulfilment.fulfil(event.object_id)


HANDLERS = {
    "checkout.session.completed": session,
    "checkout.session.async_payment_succeeded": session,
    "checkout.session.async_payment_failed": session,
    "checkout.session.expired": session,
}
