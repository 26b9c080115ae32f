"""Money that goes back: refunds and disputes, and the credits that follow it.

Each refund and each dispute claims its share of the payment's credits once, and gives back once
what it took. So events may come late, twice or in any order.
"""

from __future__ import annotations

from datetime import datetime
from decimal import ROUND_DOWN, Decimal

import stripe
from django.db import transaction
from django.db.models import Q, Sum
from django.utils import timezone
from django.utils.translation import gettext as _

from quickscale_stripe import customers, signals
from quickscale_stripe.client import get_client
from quickscale_stripe.conf import app_settings
from quickscale_stripe.exceptions import NotYetKnownError, stripe_errors
from quickscale_stripe.models import Dispute, Payment, Refund
from quickscale_stripe.stripe_objects import at, id_of, maybe_at, optional

_GIVEN_UP = (Refund.Status.FAILED, Refund.Status.CANCELED)


def sync_refund(refund_id: str) -> Refund | None:
    """Mirror a refund and let the credits follow; ``None`` when the payment isn't ours.

    Raises:
        NotYetKnownError: the payment is ours, and another event has yet to bring it.
        StripeUnavailableError, StripeRefusedError
    """
    fetched_at = timezone.now()
    with stripe_errors():
        refund = get_client().v1.refunds.retrieve(refund_id)
    return _record_refund(refund, fetched_at)


def sync_refunds_of(charge_id: str) -> None:
    """Mirror all refunds of a charge, fetched before the first of them locks an account."""
    fetched_at = timezone.now()
    with stripe_errors():
        refunds = list(get_client().v1.refunds.list({"charge": charge_id}).auto_paging_iter())
    for refund in refunds:
        _record_refund(refund, fetched_at)


def _record_refund(refund: stripe.Refund, fetched_at: datetime) -> Refund | None:
    payment = _payment_of(refund.payment_intent, refund.charge, id_of(refund.customer))
    if payment is None:
        return None
    with transaction.atomic():
        payment = Payment.objects.select_for_update().get(pk=payment.pk)
        row = Refund.objects.filter(stripe_id=refund.id).first() or Refund(
            stripe_id=refund.id, payment=payment, created_at=at(refund.created)
        )
        if row.pk and row.synced_at > fetched_at:
            return row
        row.amount, row.currency = refund.amount, refund.currency
        row.status = refund.status or Refund.Status.PENDING
        row.reason = refund.reason or ""
        row.failure_reason = optional(refund, "failure_reason") or ""
        row.synced_at = fetched_at
        row.save()
        _follow_refund(payment, row)
        _count_refunds(payment)
    return row


def sync_dispute(dispute_id: str) -> Dispute | None:
    """Mirror a dispute and let the credits follow its money; ``None`` when it isn't ours.

    Stripe's movements of money decide, not the status: an inquiry moves none, and a dispute that
    is won brings it back (docs.stripe.com/disputes/how-disputes-work).

    Raises:
        NotYetKnownError, StripeUnavailableError, StripeRefusedError
    """
    fetched_at = timezone.now()
    with stripe_errors():
        dispute = get_client().v1.disputes.retrieve(dispute_id, {"expand": ["charge"]})
    charge = dispute.charge
    customer = id_of(charge.customer) if isinstance(charge, stripe.Charge) else None
    payment = _payment_of(dispute.payment_intent, charge, customer)
    if payment is None:
        return None
    with transaction.atomic():
        payment = Payment.objects.select_for_update().get(pk=payment.pk)
        row = Dispute.objects.filter(stripe_id=dispute.id).first() or Dispute(
            stripe_id=dispute.id, payment=payment, created_at=at(dispute.created)
        )
        if row.pk and row.synced_at > fetched_at:
            return row
        previous_status = row.status
        row.amount, row.currency = dispute.amount, dispute.currency
        row.status, row.reason = dispute.status, dispute.reason
        row.evidence_due_by = maybe_at(dispute.evidence_details.due_by)
        row.is_withdrawn = sum(move.amount for move in dispute.balance_transactions) < 0
        row.synced_at = fetched_at
        row.save()
        _follow_dispute(payment, row)
    signals.send_after_commit(
        signals.dispute_changed, Dispute, dispute=row, previous_status=previous_status
    )
    return row


def _payment_of(
    intent: str | stripe.PaymentIntent | None,
    charge: str | stripe.Charge | None,
    customer_id: str | None,
) -> Payment | None:
    where = Q()
    if intent:
        where |= Q(payment_intent_id=id_of(intent))
    if charge:
        where |= Q(charge_id=id_of(charge))
    payment = Payment.objects.filter(where).first() if where else None
    if payment is None and customers.find(stripe_id=customer_id):
        raise NotYetKnownError(f"The payment of {id_of(charge) or id_of(intent)} is not here yet.")
    return payment


def _follow_refund(payment: Payment, refund: Refund) -> None:
    key = f"refund:{refund.stripe_id}"
    if refund.status in _GIVEN_UP:
        if refund.credits_revoked:
            app_settings.restore(payment=payment, key=key, reason=_("Refund failed"))
            refund.credits_revoked = Decimal(0)
    elif not refund.credits_revoked:
        refund.credits_revoked = _share(payment, refund.amount)
        if refund.credits_revoked:
            app_settings.revoke(
                payment=payment, amount=refund.credits_revoked, key=key, reason=_("Refund")
            )
    refund.save()


def _follow_dispute(payment: Payment, dispute: Dispute) -> None:
    if dispute.is_withdrawn and not dispute.credits_revoked:
        dispute.credits_revoked = _share(payment, dispute.amount)
        if dispute.credits_revoked:
            dispute.withdrawals += 1
            app_settings.revoke(
                payment=payment,
                amount=dispute.credits_revoked,
                key=_withdrawal(dispute),
                reason=_("Dispute"),
            )
    elif not dispute.is_withdrawn and dispute.credits_revoked:
        app_settings.restore(payment=payment, key=_withdrawal(dispute), reason=_("Dispute won"))
        dispute.credits_revoked = Decimal(0)
    dispute.save()


def _withdrawal(dispute: Dispute) -> str:
    """The key of the latest time that the dispute took credits: an appeal may take them again."""
    key = f"dispute:{dispute.stripe_id}:withdrawn"
    return key if dispute.withdrawals == 1 else f"{key}:{dispute.withdrawals}"


def left_of(payment: Payment) -> int:
    """The money, in minor units, that neither refunds nor disputes took of a payment."""
    disputed = payment.disputes.filter(is_withdrawn=True).aggregate(money=Sum("amount"))["money"]
    left = payment.amount - payment.amount_refunded - (disputed or 0)
    return max(0, left) if payment.is_paid else 0


def credits_for(*, payment: Payment, amount: int) -> Decimal:
    """The credits that a refund of so many minor units would take back now."""
    return _share(payment, amount, coming=amount)


def _share(payment: Payment, amount: int, *, coming: int = 0) -> Decimal:
    """The credits that go with a part of the money; what goes back last takes all that is left."""
    back = payment.refunds.exclude(status__in=_GIVEN_UP).aggregate(
        money=Sum("amount"), credits=Sum("credits_revoked")
    )
    disputed = payment.disputes.filter(is_withdrawn=True).aggregate(
        money=Sum("amount"), credits=Sum("credits_revoked")
    )
    money = (back["money"] or 0) + (disputed["money"] or 0)
    left = payment.credits - (back["credits"] or 0) - (disputed["credits"] or 0)
    if money + coming >= payment.amount:
        return left
    share = payment.credits * amount / payment.amount
    return min(left, share.quantize(Decimal("0.0001"), ROUND_DOWN))


def _count_refunds(payment: Payment) -> None:
    refunds = payment.refunds.exclude(status__in=_GIVEN_UP)
    refunded = min(payment.amount, refunds.aggregate(money=Sum("amount"))["money"] or 0)
    if refunded == payment.amount_refunded:
        return
    payment.amount_refunded = refunded
    if refunded == 0:
        payment.status = Payment.Status.SUCCEEDED
    elif refunded < payment.amount:
        payment.status = Payment.Status.PARTIALLY_REFUNDED
    else:
        payment.status = Payment.Status.REFUNDED
    payment.save()
    signals.send_after_commit(signals.payment_refunded, Payment, payment=payment)
