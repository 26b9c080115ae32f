"""Invoices: each becomes a payment, and a paid period of a plan brings its credits."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import stripe
from django.db import transaction
from django.utils import timezone

from quickscale_stripe import customers, receipts, signals, subscriptions
from quickscale_stripe.allotments import (
    CHANGE_REASON,
    PERIOD_REASONS,
    Allotment,
    change_allotments,
    charged_plan,
    period_allotments,
    period_invoices,
    period_worth,
)
from quickscale_stripe.client import get_client
from quickscale_stripe.conf import app_settings
from quickscale_stripe.exceptions import stripe_errors
from quickscale_stripe.models import Payment, StripeCustomer, StripePrice, Subscription
from quickscale_stripe.stripe_objects import at, failure_of, id_of, optional

_KINDS = {
    "subscription_create": Payment.Kind.SUBSCRIPTION,
    "subscription_cycle": Payment.Kind.SUBSCRIPTION,
    "subscription_update": Payment.Kind.PLAN_CHANGE,
}
_CLOSED = ("void", "uncollectible")


@dataclass(frozen=True)
class _Bill:
    """An invoice with its payments, the plan that it charges, and what it brings.

    For a change of plan ``before`` names the period's earlier invoices, and ``worth`` is how many
    credits the period's money is for after the change.
    """

    invoice: stripe.Invoice
    plan: StripePrice | None
    allotments: list[Allotment]
    before: tuple[str, ...] = ()
    worth: Decimal = Decimal(0)


def sync(invoice_id: str) -> Payment | None:
    """Record an invoice, and once it is paid, deliver the periods of the plans in it.

    Safe to call any number of times: each line's delivery has the line as its source.

    Returns:
        The payment; ``None`` for a draft and for what isn't this site's.

    Raises:
        StripeUnavailableError, StripeRefusedError
    """
    invoice = _retrieve(invoice_id)
    details = invoice.parent.subscription_details if invoice.parent else None
    customer = customers.find(
        metadata=details.metadata if details else None, stripe_id=id_of(invoice.customer)
    )
    if customer is None or invoice.status == "draft" or invoice.livemode != app_settings.live_mode:
        return None
    subscription = subscriptions.sync(id_of(details.subscription) or "") if details else None
    bills = _bills(invoice)
    with transaction.atomic():
        return [_record(bill, customer, subscription) for bill in bills][-1]


def _retrieve(invoice_id: str) -> stripe.Invoice:
    with stripe_errors():
        return get_client().v1.invoices.retrieve(
            invoice_id, {"expand": ["payments.data.payment.payment_intent"]}
        )


def _record(bill: _Bill, customer: StripeCustomer, subscription: Subscription | None) -> Payment:
    invoice, plan, allotments = bill.invoice, bill.plan, bill.allotments
    intent = _intent(invoice)
    if intent is not None:
        # The invoice of a one-time Checkout tells of a payment that is here already.
        Payment.objects.filter(payment_intent_id=intent.id, invoice_id=None).update(
            invoice_id=invoice.id
        )
    payment, _ = Payment.objects.get_or_create(
        invoice_id=invoice.id,
        defaults={
            "owner": customer.owner,
            "kind": _KINDS.get(invoice.billing_reason or "", Payment.Kind.INVOICE),
            "description": plan.product.name if plan else invoice.number or "",
            "price": plan,
            "subscription": subscription,
            "amount": max(0, invoice.total),
            "currency": invoice.currency,
            "livemode": invoice.livemode,
            "created_at": at(invoice.created),
        },
    )
    payment = Payment.objects.select_for_update().get(pk=payment.pk)
    if payment.is_paid:
        return payment
    payment.invoice_url = invoice.hosted_invoice_url or ""
    payment.invoice_pdf = invoice.invoice_pdf or ""
    payment.tax = sum(tax.amount for tax in invoice.total_taxes or [])
    payment.amount = max(0, invoice.total)
    if intent is not None:
        payment.payment_intent_id = intent.id
        payment.charge_id = id_of(intent.latest_charge)
    payment.credits = sum((allotment.amount for allotment in allotments), Decimal(0))
    if invoice.status == "paid":
        payment.mark_paid(at(invoice.status_transitions.paid_at or invoice.created))
        payment.save()
        payment.receipt_details = receipts.details_of_invoice(invoice)
        _deliver(payment, bill)
    else:
        _follow(payment, invoice, intent)
    return payment


def _deliver(payment: Payment, bill: _Bill) -> None:
    if bill.before:
        before = Payment.objects.paid().filter(invoice_id__in=bill.before, amount__gt=0)
        app_settings.change_plan(payment=payment, before=list(before), worth=bill.worth)
    for allotment in bill.allotments:
        app_settings.fulfil(
            owner=payment.owner,
            payment=payment,
            price=allotment.price,
            amount=allotment.amount,
            source=("invoice", f"{payment.invoice_id}:{allotment.line_id}"),
            period=allotment.period,
        )
    payment.fulfilled_at = timezone.now()
    payment.save()
    signals.send_after_commit(signals.payment_succeeded, Payment, payment=payment)


def _follow(payment: Payment, invoice: stripe.Invoice, intent: stripe.PaymentIntent | None) -> None:
    """An invoice that isn't paid: due, tried in vain, or given up."""
    was_failed = payment.status == Payment.Status.FAILED
    failed = invoice.status in _CLOSED or invoice.attempted
    payment.status = Payment.Status.FAILED if failed else Payment.Status.PENDING
    payment.failure_message = failure_of(intent) if failed and intent else ""
    payment.save()
    if failed and not was_failed:
        signals.send_after_commit(signals.payment_failed, Payment, payment=payment)


def _bills(invoice: stripe.Invoice) -> list[_Bill]:
    """The invoice, last, and what it brings: by its plans' lines, or by what a change is worth.

    A change of plan is about what came before it: should that be new here, for its events are late,
    it is in the list too. All is fetched before anything is recorded, for recording locks accounts.
    """
    if invoice.billing_reason in PERIOD_REASONS:
        return [_bill([invoice], invoice)]
    if invoice.billing_reason != CHANGE_REASON or invoice.status != "paid":
        return [_Bill(invoice, charged_plan(invoice), [])]
    period = period_invoices(invoice)
    ids = [earlier.id for earlier in period[:-1]]
    known = set(
        Payment.objects.paid().filter(invoice_id__in=ids).values_list("invoice_id", flat=True)
    )
    return [
        _bill(period[:number], _retrieve(earlier.id))
        for number, earlier in enumerate(period[:-1], 1)
        if earlier.status == "paid" and earlier.id not in known
    ] + [_bill(period, invoice)]


def _bill(period: list[stripe.Invoice], invoice: stripe.Invoice) -> _Bill:
    """The last invoice of a period, or of what there is of it."""
    plan = charged_plan(invoice)
    if invoice.billing_reason in PERIOD_REASONS:
        return _Bill(invoice, plan, period_allotments(invoice))
    before = tuple(earlier.id for earlier in period[:-1])
    return _Bill(invoice, plan, change_allotments(period), before, period_worth(period))


def _intent(invoice: stripe.Invoice) -> stripe.PaymentIntent | None:
    """The payment intent that paid the invoice, or that tries to."""
    payments = invoice.payments.data if invoice.payments else []
    for payment in sorted(payments, key=lambda payment: payment.status != "paid"):
        intent = optional(payment.payment, "payment_intent")
        if isinstance(intent, stripe.PaymentIntent):
            return intent
    return None
