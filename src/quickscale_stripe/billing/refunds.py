"""Refunds that this site asks for; ``money_back`` mirrors what becomes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from quickscale.formats import format_money
from quickscale_stripe.billing import charges, money_back
from quickscale_stripe.client import get_client
from quickscale_stripe.exceptions import NotRefundableError, StripeRefusedError, stripe_errors
from quickscale_stripe.models import Charge, Payment, Refund

if TYPE_CHECKING:
    from stripe.params import RefundCreateParams

#: The reasons that Stripe takes (docs.stripe.com/api/refunds/create); "fraudulent" blocks the card.
REASONS = ("requested_by_customer", "duplicate", "fraudulent")


def refund(
    *,
    payment: Payment,
    reference: str,
    amount: int | None = None,
    reason: str = "",
    actor: Any = None,
) -> list[Refund]:
    """Refund a payment, in part or in full, and take back the credits.

    Call it outside a transaction that locks a credit account: it waits for Stripe. The refund's
    event then changes nothing more.

    Args:
        reference: names this refund, such as a UUID from the form; repeating it makes no second
            one.
        amount: minor units; ``None`` for all that is left.
        reason: one of :data:`REASONS`, or empty.
        actor: the user who makes the refund, for its metadata.

    Returns:
        one refund for each charge that money goes back to.

    Raises:
        NotRefundableError: the payment isn't paid, or less of it is left than the amount.
        FulfilmentFailedError: the money goes back, but the hook that takes the credits failed.
        PaymentsOffError, StripeUnavailableError, StripeRefusedError
    """
    payment = Payment.objects.get(pk=payment.pk)
    made = list(payment.refunds.filter(reference=reference))
    left = payment.amount_left
    missing = left if amount is None else amount - sum(row.amount for row in made)
    if made and missing <= 0:
        return made
    if not 0 < missing <= left:
        raise NotRefundableError(
            _("%(left)s is left to refund.") % {"left": format_money(left, payment.currency)}
        )
    metadata = {"reference": reference}
    if actor is not None:
        metadata["actor"] = str(actor.pk)
    for charge, most in charges.refundable(payment):
        part = min(missing, most)
        if part:
            made.append(_refund(charge, part, metadata, reason))
            missing -= part
    return made


def _refund(charge: Charge, amount: int, metadata: dict[str, str], reason: str) -> Refund:
    intent_id = charge.payment_intent_id
    params: RefundCreateParams = {
        "payment_intent": intent_id,
        "amount": amount,
        "metadata": metadata,
    }
    if reason:
        params["reason"] = reason
    key = f"refund:{intent_id}:{metadata['reference']}"
    with stripe_errors():
        made = get_client().v1.refunds.create(params, {"idempotency_key": key})
    row = money_back.sync_refund(made.id)
    if row is None:
        raise StripeRefusedError(f"{made.id} is not this site's refund.")
    return row
