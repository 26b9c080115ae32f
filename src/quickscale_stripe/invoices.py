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
    PlanChange,
    charged_plan,
    period_allotments,
    period_invoices,
    plan_change,
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
_NONE = Decimal(0)


@dataclass(frozen=True)
class _Bill:
    """An invoice with its payments, the plan that it charges, and what it brings.

    A paid change of plan brings what ``change`` says. A period that is paid after changes within it
    has both; ``others`` are the invoices that the period had by then.
    """

    invoice: stripe.Invoice
    plan: StripePrice | None
    allotments: list[Allotment]
    change: PlanChange | None = None
    others: tuple[str, ...] = ()


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
    customer = _customer_of(invoice)
    if customer is None or invoice.status == "draft" or invoice.livemode != app_settings.live_mode:
        return None
    subscription = subscriptions.sync(id_of(details.subscription) or "") if details else None
    bills = _bills(invoice)
    with transaction.atomic():
        payment = [_record(bill, customer, subscription) for bill in bills][-1]
        if subscription:
            subscriptions.follow_end(subscription)
    return payment


def foresee(change: stripe.Invoice, latest_invoice_id: str) -> tuple[Decimal, list[Payment]]:
    """What a change of plan would bring, and the paid payments of the period that it changes.

    Args:
        change: Stripe's preview of the change's invoice.
        latest_invoice_id: the subscription's latest invoice.

    Raises:
        StripeUnavailableError, StripeRefusedError
    """
    period = period_invoices(_retrieve(latest_invoice_id))
    before = list(Payment.objects.paid().filter(invoice_id__in=[other.id for other in period]))
    return max(_NONE, plan_change([*period, change]).worth - _brought(before)), before


def report(invoice_id: str, problem: str) -> None:
    """Tell staff of an invoice of this site's that brings no money, a draft too."""
    customer = _customer_of(_retrieve(invoice_id))
    if customer:
        signals.send_after_commit(
            signals.invoice_problem,
            Payment,
            invoice_id=invoice_id,
            problem=problem,
            owner=customer.owner,
        )


def _customer_of(invoice: stripe.Invoice) -> StripeCustomer | None:
    details = invoice.parent.subscription_details if invoice.parent else None
    return customers.find(
        metadata=details.metadata if details else None, stripe_id=id_of(invoice.customer)
    )


def _retrieve(invoice_id: str) -> stripe.Invoice:
    with stripe_errors():
        return get_client().v1.invoices.retrieve(
            invoice_id, {"expand": ["payments.data.payment.payment_intent"]}
        )


def _record(bill: _Bill, customer: StripeCustomer, subscription: Subscription | None) -> Payment:
    invoice, plan = bill.invoice, bill.plan
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
    payment.credits = sum((allotment.amount for allotment in bill.allotments), Decimal(0))
    if invoice.status == "paid":
        payment.mark_paid(at(invoice.status_transitions.paid_at or invoice.created))
        payment.receipt_details = receipts.details_of_invoice(invoice)
        payment.save()
        _deliver(payment, bill)
    else:
        _follow(payment, invoice, intent)
    return payment


def _deliver(payment: Payment, bill: _Bill) -> None:
    allotments = bill.allotments
    others = list(Payment.objects.paid().filter(invoice_id__in=bill.others))
    if bill.change and not allotments:
        allotments = _change_plan(payment, bill.change, others)
    for allotment in allotments:
        app_settings.fulfil(
            owner=payment.owner,
            payment=payment,
            price=allotment.price,
            amount=allotment.amount,
            source=("invoice", f"{payment.invoice_id}:{allotment.line_id}"),
            period=allotment.period,
        )
    if bill.change and bill.allotments:
        _take_excess(payment, bill.change, [payment, *others])
    payment.fulfilled_at = timezone.now()
    payment.save()
    signals.send_after_commit(signals.payment_succeeded, Payment, payment=payment)


def _change_plan(payment: Payment, change: PlanChange, before: list[Payment]) -> list[Allotment]:
    """Bring the period's credits to what its money is for, and return what is to be added.

    What was spent before money was given back can't be taken, so it counts as brought: plans
    changed to and fro bring nothing twice.
    """
    took = _take_excess(payment, change, before)
    gain = change.worth - _brought(before) + payment.credits_taken
    if gain <= 0 or change.line is None:
        return []
    payment.credits = gain
    if not took:
        app_settings.change_plan(payment=payment, before=before, excess=_NONE, returned=_NONE)
    return [change.line.as_allotment(gain)]


def _take_excess(payment: Payment, change: PlanChange, period: list[Payment]) -> bool:
    """Take back what the period's payments brought above what its money is for, if they did."""
    brought = _brought(period)
    excess = brought - change.worth
    if excess <= 0:
        return False
    taken = app_settings.change_plan(
        payment=payment, before=period, excess=excess, returned=min(change.returned, brought)
    )
    payment.credits_taken = excess if taken is None else taken
    return True


def _brought(payments: list[Payment]) -> Decimal:
    return sum((payment.credits - payment.credits_taken for payment in payments), Decimal(0))


def _follow(payment: Payment, invoice: stripe.Invoice, intent: stripe.PaymentIntent | None) -> None:
    """An invoice that isn't paid: due, tried in vain, or given up."""
    was_failed = payment.status == Payment.Status.FAILED
    failed = invoice.status in _CLOSED or invoice.attempted
    payment.status = Payment.Status.FAILED if failed else Payment.Status.PENDING
    payment.failure_message = failure_of(intent) if failed and intent else ""
    payment.save()
    if invoice.status == "open" and failed and not was_failed:
        signals.send_after_commit(signals.payment_failed, Payment, payment=payment)


def _bills(invoice: stripe.Invoice) -> list[_Bill]:
    """The invoice, last, and what it brings: by its plans' lines, or by what a change is worth.

    A change of plan is about what came before it: should that be new here, for its events are late,
    it is in the list too. All is fetched before anything is recorded, for recording locks accounts.
    """
    plan = charged_plan(invoice)
    if invoice.billing_reason in PERIOD_REASONS:
        later = _changes_since(invoice) if invoice.status == "paid" else []
        change = plan_change(later) if later else None
        others = tuple(other.id for other in later[1:])
        return [_Bill(invoice, plan, period_allotments(invoice), change, others)]
    if invoice.billing_reason != CHANGE_REASON or invoice.status != "paid":
        return [_Bill(invoice, plan, [])]
    *earlier, _ = period = period_invoices(invoice)
    known = set(
        Payment.objects.paid()
        .filter(invoice_id__in=[other.id for other in earlier])
        .values_list("invoice_id", flat=True)
    )
    bills = [
        _bill(period[:number], _retrieve(other.id))
        for number, other in enumerate(earlier, 1)
        if other.status == "paid" and other.id not in known
    ]
    return [*bills, _bill(period, invoice)]


def _bill(period: list[stripe.Invoice], invoice: stripe.Invoice) -> _Bill:
    """The last invoice of a period, or of what there is of it."""
    plan = charged_plan(invoice)
    if invoice.billing_reason in PERIOD_REASONS:
        return _Bill(invoice, plan, period_allotments(invoice))
    others = tuple(earlier.id for earlier in period[:-1])
    return _Bill(invoice, plan, [], plan_change(period), others)


def _changes_since(begin: stripe.Invoice) -> list[stripe.Invoice]:
    """The period's invoices, when changes of plan were recorded here before its begin was paid."""
    details = begin.parent.subscription_details if begin.parent else None
    latest = (
        Payment.objects.paid()
        .filter(
            kind=Payment.Kind.PLAN_CHANGE,
            subscription__stripe_id=id_of(details.subscription) if details else None,
            created_at__gte=at(begin.created),
        )
        .order_by("created_at", "pk")
        .last()
    )
    if latest is None or latest.invoice_id is None:
        return []
    period = period_invoices(_retrieve(latest.invoice_id))
    return period if period[0].id == begin.id else []


def _intent(invoice: stripe.Invoice) -> stripe.PaymentIntent | None:
    """The payment intent that paid the invoice, or that tries to."""
    payments = invoice.payments.data if invoice.payments else []
    for payment in sorted(payments, key=lambda payment: payment.status != "paid"):
        intent = optional(payment.payment, "payment_intent")
        if isinstance(intent, stripe.PaymentIntent):
            return intent
    return None
