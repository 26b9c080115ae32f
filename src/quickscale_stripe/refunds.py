"""Refunds that this site asks for; what becomes of them is told by ``reversals``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from quickscale_stripe import reversals
from quickscale_stripe.client import get_client
from quickscale_stripe.exceptions import NotRefundableError, StripeRefusedError, stripe_errors
from quickscale_stripe.models import Payment, Refund
from quickscale_stripe.money import format_money

if TYPE_CHECKING:
    from stripe.params import RefundCreateParams

#: What Stripe takes as a reason (docs.stripe.com/api/refunds/create); "fraudulent" blocks the card.
REASONS = ("requested_by_customer", "duplicate", "fraudulent")


def refund(
    *,
    payment: Payment,
    reference: str,
    amount: int | None = None,
    reason: str = "",
    actor: Any = None,
) -> Refund:
    """Give money of a payment back, and let its credits follow.

    Call it outside a transaction that locks a credit account: it waits for Stripe. Its own event
    changes nothing more.

    Args:
        reference: names this refund, such as a UUID from the form; the same again makes no second.
        amount: minor units; ``None`` for all that is left.
        reason: one of :data:`REASONS`, or empty.
        actor: the user who does it, for the refund's metadata.

    Raises:
        NotRefundableError: the payment isn't paid, or less than the amount is left.
        PaymentsOffError, StripeUnavailableError, StripeRefusedError
    """
    left = reversals.left_of(payment)
    amount = left if amount is None else amount
    charged = payment.payment_intent_id or payment.charge_id
    if not (charged and 0 < amount <= left):
        raise NotRefundableError(
            _("%(left)s is left to refund.") % {"left": format_money(left, payment.currency)}
        )
    params: RefundCreateParams = {"amount": amount, "metadata": {"reference": reference}}
    if actor is not None:
        params["metadata"] = {"reference": reference, "actor": str(actor.pk)}
    if payment.payment_intent_id:
        params["payment_intent"] = payment.payment_intent_id
    else:
        params["charge"] = charged
    if reason:
        params["reason"] = reason
    with stripe_errors():
        made = get_client().v1.refunds.create(
            params, {"idempotency_key": f"refund:{charged}:{reference}"}
        )
    row = reversals.sync_refund(made.id)
    if row is None:
        raise StripeRefusedError(f"{made.id} is no refund of this site's.")
    return row
