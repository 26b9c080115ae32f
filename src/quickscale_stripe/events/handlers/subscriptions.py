from __future__ import annotations

from quickscale_stripe.billing import invoices, subscriptions
from quickscale_stripe.internal.syncing import Write
from quickscale_stripe.models import StripeEvent


def subscription(event: StripeEvent) -> Write[object]:
    return subscriptions.prepare(event.object_id)


def invoice(event: StripeEvent) -> Write[object]:
    return invoices.prepare(event.object_id)


def invoice_problem(event: StripeEvent) -> Write[object]:
    return invoices.prepare_problem(event.object_id, event.type.rpartition(".")[2])


HANDLERS = {
    **dict.fromkeys(
        (
            "customer.subscription.created",
            "customer.subscription.updated",
            "customer.subscription.deleted",
            "customer.subscription.paused",
            "customer.subscription.resumed",
            "customer.subscription.pending_update_applied",
            "customer.subscription.pending_update_expired",
            "customer.subscription.trial_will_end",
        ),
        subscription,
    ),
    **dict.fromkeys(
        (
            "invoice.paid",
            "invoice.payment_failed",
            "invoice.payment_action_required",
        ),
        invoice,
    ),
    **dict.fromkeys(
        ("invoice.finalization_failed", "invoice.marked_uncollectible", "invoice.voided"),
        invoice_problem,
    ),
}
