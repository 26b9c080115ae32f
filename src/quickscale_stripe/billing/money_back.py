"""Mirror refunds and disputes, and take back or return their credits.

Money that went back was paid before. So a payment that is not here yet, or not recorded as paid, is
read from Stripe first. That makes the order of events irrelevant.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import TypeVar

import stripe
from django.db import transaction

from quickscale_stripe import signals
from quickscale_stripe.billing import charges, customers, delivery, invoices, returns, sessions
from quickscale_stripe.client import get_client
from quickscale_stripe.exceptions import (
    HookFailedError,
    NotOursError,
    NotYetKnownError,
    stripe_errors,
)
from quickscale_stripe.internal import clock
from quickscale_stripe.internal.sdk import at, id_of, maybe_at, optional
from quickscale_stripe.internal.syncing import Write, synced
from quickscale_stripe.models import Dispute, Payment, Refund

Row = TypeVar("Row", Refund, Dispute)


def sync_refund(refund_id: str) -> Refund | None:
    """Mirror a refund and take back its credits; ``None`` if the payment isn't ours.

    Raises:
        FulfilmentFailedError: it is recorded, but a hook failed.
        StripeUnavailableError, StripeRefusedError
    """
    return synced(prepare_refund, refund_id)


def prepare_refund(refund_id: str) -> Write[Refund]:
    """Fetch a refund for :func:`sync_refund`, and return what writes it.

    Raises:
        NotOursError, StripeUnavailableError, StripeRefusedError
    """
    fetched_at = clock.database_now()
    with stripe_errors():
        refund = get_client().v1.refunds.retrieve(refund_id)
    return _prepared_refund(refund, fetched_at)


def sync_refunds_of(charge_id: str) -> None:
    """Mirror all refunds of a charge."""
    synced(prepare_refunds_of, charge_id)


def prepare_refunds_of(charge_id: str) -> Write[None]:
    """Fetch all refunds of a charge, and return what writes them.

    Raises:
        NotOursError, StripeUnavailableError, StripeRefusedError
    """
    fetched_at = clock.database_now()
    with stripe_errors():
        refunds = list(get_client().v1.refunds.list({"charge": charge_id}).auto_paging_iter())
    writes = [_prepared_refund(refund, fetched_at) for refund in refunds]
    return partial(_write_all, writes)


def _write_all(writes: list[Write[Refund]]) -> None:
    for write in writes:
        write()


def _prepared_refund(refund: stripe.Refund, fetched_at: datetime) -> Write[Refund]:
    record = partial(_record_refund, refund, fetched_at)
    return _prepared(refund.payment_intent, refund.charge, id_of(refund.customer), record)


def _record_refund(refund: stripe.Refund, fetched_at: datetime, payment: Payment) -> Refund:
    row = Refund.objects.filter(stripe_id=refund.id).first() or Refund(
        stripe_id=refund.id, payment=payment, created_at=at(refund.created)
    )
    if row.pk and row.synced_at > fetched_at:
        return row
    took_money = bool(row.pk) and row.takes_money
    row.charge_id = id_of(refund.charge) or ""
    row.reference = _reference_of(refund)
    row.amount, row.currency = refund.amount, refund.currency
    row.status = refund.status or Refund.Status.PENDING
    row.reason = refund.reason or ""
    row.failure_reason = optional(refund, "failure_reason") or ""
    row.synced_at = fetched_at
    row.save()
    if row.takes_money and not took_money:
        signals.send_after_commit(signals.refund_made, Refund, refund=row)
    elif took_money and not row.takes_money:
        signals.send_after_commit(signals.refund_failed, Refund, refund=row)
    return row


def _reference_of(refund: stripe.Refund) -> str:
    """Return the reference of a refund made here; others may have anything in its place."""
    value = optional(refund.metadata, "reference") if refund.metadata else None
    return str(value or "")[:255]


def sync_dispute(dispute_id: str) -> Dispute | None:
    """Mirror a dispute and move the credits with its money; ``None`` if it isn't ours.

    The money that Stripe moved decides, not the status: an inquiry moves none, and a dispute that
    is won returns it (docs.stripe.com/disputes/how-disputes-work).

    Raises:
        FulfilmentFailedError, StripeUnavailableError, StripeRefusedError
    """
    return synced(prepare_dispute, dispute_id)


def prepare_dispute(dispute_id: str) -> Write[Dispute]:
    """Fetch a dispute for :func:`sync_dispute`, and return what writes it.

    Raises:
        NotOursError, StripeUnavailableError, StripeRefusedError
    """
    fetched_at = clock.database_now()
    with stripe_errors():
        dispute = get_client().v1.disputes.retrieve(dispute_id, {"expand": ["charge"]})
    charge = dispute.charge
    customer = id_of(charge.customer) if isinstance(charge, stripe.Charge) else None
    record = partial(_record_dispute, dispute, fetched_at)
    return _prepared(dispute.payment_intent, charge, customer, record)


def _record_dispute(dispute: stripe.Dispute, fetched_at: datetime, payment: Payment) -> Dispute:
    row = Dispute.objects.filter(stripe_id=dispute.id).first() or Dispute(
        stripe_id=dispute.id, payment=payment, created_at=at(dispute.created)
    )
    if row.pk and row.synced_at > fetched_at:
        return row
    previous_status = row.status
    row.charge_id = id_of(dispute.charge) or ""
    row.amount, row.currency = dispute.amount, dispute.currency
    row.status, row.reason = dispute.status, dispute.reason
    row.evidence_due_by = maybe_at(dispute.evidence_details.due_by)
    row.is_withdrawn = sum(move.amount for move in dispute.balance_transactions) < 0
    row.synced_at = fetched_at
    row.save()
    signals.send_after_commit(
        signals.dispute_changed, Dispute, dispute=row, previous_status=previous_status
    )
    return row


def _prepared(
    intent: str | stripe.PaymentIntent | None,
    charge: str | stripe.Charge | None,
    customer_id: str | None,
    record: Callable[[Payment], Row],
) -> Write[Row]:
    """Prepare to record money that went back from a charge, and its payment first if needed.

    Raises:
        NotOursError: also for a charge that was made by hand, without an invoice or a Checkout.
    """
    intent_id, charge_id = id_of(intent), id_of(charge)
    known = charges.find(intent_id, charge_id)
    if known and known.payment.is_paid:
        return partial(_write, intent_id, charge_id, record)
    if known is None and customers.find(stripe_id=customer_id) is None:
        raise NotOursError(
            f"The charge {charge_id or intent_id} belongs to no customer of this site."
        )
    if session_id := known.payment.checkout_session_id if known else _session_of(intent_id):
        return partial(_write, intent_id, charge_id, record, sessions.prepare(session_id))
    if invoice_id := known.payment.invoice_id if known else _invoice_of(intent_id):
        return partial(_write, intent_id, charge_id, record, invoices.prepare(invoice_id))
    raise NotOursError(
        f"The charge {charge_id or intent_id} was made by hand: it is for no invoice and no"
        " Checkout."
    )


def _write(
    intent_id: str | None,
    charge_id: str | None,
    record: Callable[[Payment], Row],
    write_payment: Write[Payment | None] | None = None,
) -> Row:
    """Record money that went back on its payment; adjust the credits if they were delivered."""
    if write_payment:
        with suppress(HookFailedError):
            write_payment()
    known = charges.find(intent_id, charge_id)
    if known is None:
        raise NotYetKnownError(f"The payment of {charge_id or intent_id} is not here yet.")
    with transaction.atomic():
        payment = Payment.objects.select_for_update().get(pk=known.payment_id)
        row = record(payment)
        returns.count(payment)
        failure = delivery.follow(payment)
    if failure:
        raise failure
    row.refresh_from_db()
    return row


def _session_of(intent_id: str | None) -> str | None:
    if intent_id is None:
        return None
    with stripe_errors():
        found = get_client().v1.checkout.sessions.list({"payment_intent": intent_id})
    return found.data[0].id if found.data else None


def _invoice_of(intent_id: str | None) -> str | None:
    if intent_id is None:
        return None
    with stripe_errors():
        found = get_client().v1.invoice_payments.list(
            {"payment": {"type": "payment_intent", "payment_intent": intent_id}}
        )
    return id_of(found.data[0].invoice) if found.data else None
