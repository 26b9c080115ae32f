"""Invoices: each becomes a payment, and a paid period of a plan brings credits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

import stripe
from django.db import transaction

from quickscale_stripe import signals
from quickscale_stripe.billing import bills, charges, customers, delivery, returns, subscriptions
from quickscale_stripe.billing.period import Allotment, Bill, PlanChange, plan_change
from quickscale_stripe.catalogue import mirror
from quickscale_stripe.conf import app_settings
from quickscale_stripe.exceptions import (
    FulfilmentFailedError,
    HookFailedError,
    NotOursError,
)
from quickscale_stripe.internal import clock
from quickscale_stripe.internal.sdk import at, failure_of, id_of, maybe_at, optional
from quickscale_stripe.internal.syncing import Write, synced
from quickscale_stripe.models import Payment, StripeCustomer, StripePrice, Subscription
from quickscale_stripe.receipts import receipt

_KINDS = {
    "subscription_create": Payment.Kind.SUBSCRIPTION,
    "subscription_cycle": Payment.Kind.SUBSCRIPTION,
    "subscription_update": Payment.Kind.PLAN_CHANGE,
}
_CLOSED = ("void", "uncollectible")
_NONE = Decimal(0)


def sync(invoice_id: str) -> Payment | None:
    """Record an invoice and, once it is paid, deliver its plan periods.

    It is safe to call this any number of times: each line's delivery has the line as its source.

    Returns:
        The payment; ``None`` for a draft and for an invoice that isn't this site's.

    Raises:
        FulfilmentFailedError: it is recorded, but a hook failed.
        StripeUnavailableError, StripeRefusedError
    """
    return synced(prepare, invoice_id)


def prepare(invoice_id: str) -> Write[Payment]:
    """Fetch an invoice and everything that it involves for :func:`sync`, and return what writes it.

    Raises:
        NotOursError, StripeUnavailableError, StripeRefusedError
    """
    fetched_at = clock.database_now()
    invoice, customer = _fetch(invoice_id)
    if invoice.status == "draft":
        raise NotOursError(f"The invoice {invoice.id} is a draft.")
    return _prepared(invoice, customer, fetched_at)


def _fetch(invoice_id: str) -> tuple[stripe.Invoice, StripeCustomer]:
    invoice = bills.retrieve(invoice_id)
    details = bills.subscription_details(invoice)
    customer = customers.find(
        metadata=details.metadata if details else None, stripe_id=id_of(invoice.customer)
    )
    if customer is None:
        raise NotOursError(f"The invoice {invoice.id} belongs to no customer of this site.")
    if invoice.livemode != app_settings.live_mode:
        raise NotOursError(f"The invoice {invoice.id} belongs to the other mode.")
    return invoice, customer


def _prepared(
    invoice: stripe.Invoice, customer: StripeCustomer, fetched_at: datetime
) -> Write[Payment]:
    """Fetch and compute everything before recording, because recording locks accounts."""
    details = bills.subscription_details(invoice)
    subscription = details.subscription if details else None
    save_subscription = (
        subscriptions.prepare_from(subscription, fetched_at)
        if isinstance(subscription, stripe.Subscription)
        else None
    )
    return partial(_save, bills.load(invoice), customer, save_subscription)


def _save(
    found: list[Bill], customer: StripeCustomer, save_subscription: Write[Subscription] | None
) -> Payment:
    with transaction.atomic():
        subscription = save_subscription() if save_subscription else None
        recorded = [_record(bill, customer, subscription) for bill in found]
        failures: list[HookFailedError | None] = [failure for _, failure in recorded]
        if subscription:
            failures.append(subscriptions.follow_end(subscription))
    if failure := next(filter(None, failures), None):
        raise failure
    return recorded[-1][0]


@dataclass(frozen=True)
class Foreseen:
    """What a plan change would bring, and the paid payments of the period that it changes.

    For ``paid_share`` see ``quickscale_stripe.billing.period.PlanChange.paid_share``.
    """

    credits: Decimal
    before: list[Payment]
    paid_share: Decimal


def foresee(
    change: stripe.Invoice, latest_invoice_id: str, known: Iterable[StripePrice]
) -> Foreseen:
    """Compute what a plan change would bring.

    Args:
        change: Stripe's preview of the change's invoice.
        latest_invoice_id: the subscription's latest invoice.
        known: prices that need not be read.

    Raises:
        StripeUnavailableError, StripeRefusedError
    """
    prices = mirror.Prices({price.stripe_id: price for price in known})
    period = bills.period_until(change, latest_invoice_id, prices)
    before = list(Payment.objects.paid().filter(invoice_id__in=[one.invoice.id for one in period]))
    foreseen = plan_change([*period, bills.with_lines(change, prices)])
    tax = sum(tax.amount for tax in change.total_taxes or [])
    return Foreseen(
        credits=max(_NONE, foreseen.worth - _brought(before)),
        before=before,
        paid_share=foreseen.paid_share(change.total - tax),
    )


def prepare_problem(invoice_id: str, problem: str) -> Write[None]:
    """Fetch an invoice of this site that won't be paid, and return what writes it.

    The staff are notified, even of a draft.

    Raises:
        NotOursError, StripeUnavailableError, StripeRefusedError
    """
    fetched_at = clock.database_now()
    invoice, customer = _fetch(invoice_id)
    save = None if invoice.status == "draft" else _prepared(invoice, customer, fetched_at)
    return partial(_report, invoice_id, problem, customer.owner, save)


def _report(invoice_id: str, problem: str, owner: Any, save: Write[Payment] | None) -> None:
    if save:
        save()
    signals.send_after_commit(
        signals.invoice_problem, Payment, invoice_id=invoice_id, problem=problem, owner=owner
    )


def _record(
    bill: Bill, customer: StripeCustomer, subscription: Subscription | None
) -> tuple[Payment, FulfilmentFailedError | None]:
    invoice = bill.invoice
    plan = bill.charged.price if bill.charged else None
    # The invoice of a one-time Checkout is for a payment that is already here.
    Payment.objects.filter(
        charges__payment_intent_id__in=[intent.id for intent, _paid in _intents(invoice)],
        invoice_id=None,
    ).update(invoice_id=invoice.id)
    payment, _ = Payment.objects.get_or_create(
        invoice_id=invoice.id,
        defaults={
            "owner": customer.owner,
            "kind": _KINDS.get(invoice.billing_reason or "", Payment.Kind.INVOICE),
            "description": plan.product.name if plan else invoice.number or "",
            "price": plan,
            "subscription": subscription,
            "total": invoice.total,
            "amount": invoice.amount_due,
            "currency": invoice.currency,
            "livemode": invoice.livemode,
            "created_at": at(invoice.created),
        },
    )
    payment = Payment.objects.select_for_update().get(pk=payment.pk)
    if payment.fulfilled_at or payment.checkout_session_id:
        return payment, delivery.follow(payment) if payment.fulfilment_error else None
    payment.invoice_url = invoice.hosted_invoice_url or ""
    payment.invoice_pdf = invoice.invoice_pdf or ""
    payment.tax = sum(tax.amount for tax in invoice.total_taxes or [])
    payment.total = invoice.total
    payment.amount = _amount(invoice)
    for intent, paid in _intents(invoice):
        charges.note(payment, intent, paid)
    payment.credits = sum((allotment.amount for allotment in bill.allotments), Decimal(0))
    if invoice.status == "paid":
        payment.mark_paid(at(invoice.status_transitions.paid_at or invoice.created))
        payment.receipt_details = receipt.details_of_invoice(invoice)
        returns.count(payment)
        return payment, delivery.deliver(payment, partial(_bring, bill))
    _follow(payment, invoice)
    return payment, None


def _bring(bill: Bill, payment: Payment) -> None:
    allotments = bill.allotments
    others = list(Payment.objects.paid().filter(invoice_id__in=bill.others))
    if bill.change and not allotments:
        allotments = _change_plan(payment, bill.change, others)
    for allotment in allotments:
        app_settings.fulfilment.fulfil(
            owner=payment.owner,
            payment=payment,
            price=allotment.price,
            amount=allotment.amount,
            source=("invoice", f"{payment.invoice_id}:{allotment.line_id}"),
            period=allotment.period,
        )
    if bill.change and bill.allotments:
        _take_excess(payment, bill.change, [payment, *others])


def _change_plan(payment: Payment, change: PlanChange, before: list[Payment]) -> list[Allotment]:
    """Adjust the period's credits to what was paid for it, and return what is still to be added.

    Credits that were spent before money was returned can't be taken back. They count as brought,
    so changing plans back and forth brings nothing twice.
    """
    took = _take_excess(payment, change, before)
    gain = change.worth - _brought(before) + payment.credits_taken
    if gain <= 0 or change.line is None:
        return []
    payment.credits = gain
    if not took:
        app_settings.fulfilment.change_plan(
            payment=payment,
            before=before,
            excess=_NONE,
            returned=_NONE,
            paid_share=change.paid_share(payment.total - payment.tax),
        )
    return [change.line.as_allotment(gain)]


def _take_excess(payment: Payment, change: PlanChange, period: list[Payment]) -> bool:
    """Take back any credits that the period's payments brought beyond what was paid for."""
    brought = _brought(period)
    excess = brought - change.worth
    if excess <= 0:
        return False
    taken = app_settings.fulfilment.change_plan(
        payment=payment,
        before=period,
        excess=excess,
        returned=min(change.returned, brought),
        paid_share=_NONE,
    )
    payment.credits_taken = excess if taken is None else taken
    return True


def _brought(payments: list[Payment]) -> Decimal:
    return sum((payment.credits - payment.credits_taken for payment in payments), Decimal(0))


def _follow(payment: Payment, invoice: stripe.Invoice) -> None:
    """Record the state of an unpaid invoice: due, on its way, failed, or given up."""
    was_failed = payment.status == Payment.Status.FAILED
    intents = [intent for intent, _ in _intents(invoice)]
    is_on_its_way = any(intent.status == "processing" for intent in intents)
    failed = invoice.status in _CLOSED or (invoice.attempted and not is_on_its_way)
    payment.status = Payment.Status.FAILED if failed else Payment.Status.PENDING
    failures = [failure_of(intent) for intent in intents] if failed else []
    payment.failure_message = next(filter(None, failures), "")
    payment.next_attempt_at = maybe_at(invoice.next_payment_attempt)
    returns.count(payment)
    if invoice.status == "open" and failed and not was_failed:
        signals.send_after_commit(signals.payment_failed, Payment, payment=payment)


def _intents(invoice: stripe.Invoice) -> list[tuple[stripe.PaymentIntent, int]]:
    """Return the payment intents of an invoice, each with the amount it has paid."""
    found = []
    for payment in invoice.payments.data if invoice.payments else []:
        intent = optional(payment.payment, "payment_intent")
        if isinstance(intent, stripe.PaymentIntent):
            found.append((intent, payment.amount_paid or 0))
    return found


def _amount(invoice: stripe.Invoice) -> int:
    """Return the money that moved through Stripe or, until the invoice is paid, will move."""
    if invoice.status != "paid":
        return invoice.amount_due
    return sum(paid for _, paid in _intents(invoice))
