from __future__ import annotations

from quickscale_stripe.billing import money_back
from quickscale_stripe.internal.syncing import Write
from quickscale_stripe.models import StripeEvent


def refund(event: StripeEvent) -> Write[object]:
    return money_back.prepare_refund(event.object_id)


def charge(event: StripeEvent) -> Write[object]:
    return money_back.prepare_refunds_of(event.object_id)


def dispute(event: StripeEvent) -> Write[object]:
    return money_back.prepare_dispute(event.object_id)


HANDLERS = {
    "refund.created": refund,
    "refund.updated": refund,
    "refund.failed": refund,
    "charge.refunded": charge,
    "charge.dispute.created": dispute,
    "charge.dispute.updated": dispute,
    "charge.dispute.closed": dispute,
    "charge.dispute.funds_withdrawn": dispute,
    "charge.dispute.funds_reinstated": dispute,
}
