from __future__ import annotations

from quickscale_stripe.billing import sessions
from quickscale_stripe.internal.syncing import Write
from quickscale_stripe.models import StripeEvent


def session(event: StripeEvent) -> Write[object]:
    return sessions.prepare(event.object_id)


HANDLERS = {
    "checkout.session.completed": session,
    "checkout.session.async_payment_succeeded": session,
    "checkout.session.async_payment_failed": session,
    "checkout.session.expired": session,
}
