"""Fetch what determines an invoice's credits: its lines, their prices, and its period."""

from __future__ import annotations

from dataclasses import replace
from itertools import dropwhile

import stripe

from quickscale_stripe.billing.period import Bill, PlanLine
from quickscale_stripe.catalogue import mirror
from quickscale_stripe.client import get_client
from quickscale_stripe.exceptions import NotYetKnownError, stripe_errors
from quickscale_stripe.internal.sdk import at, id_of, optional
from quickscale_stripe.models import Payment

_CHANGE_REASON = "subscription_update"


def retrieve(invoice_id: str) -> stripe.Invoice:
    """Fetch an invoice with its payments and its subscription."""
    with stripe_errors():
        return get_client().v1.invoices.retrieve(
            invoice_id,
            {
                "expand": [
                    "payments.data.payment.payment_intent",
                    "parent.subscription_details.subscription.schedule",
                ]
            },
        )


def subscription_details(
    invoice: stripe.Invoice,
) -> stripe.Invoice.Parent.SubscriptionDetails | None:
    return invoice.parent.subscription_details if invoice.parent else None


def load(invoice: stripe.Invoice) -> list[Bill]:
    """Return the bill of a retrieved invoice, last.

    A plan change depends on the period's earlier bills. They precede it in the list if they are new
    here, because their events are late.

    Raises:
        NotYetKnownError: Stripe's list doesn't have the invoice yet.
        StripeUnavailableError, StripeRefusedError
    """
    prices = mirror.Prices()
    bill = with_lines(invoice, prices)
    if bill.is_paid and bill.begins:
        period = _changed_since(invoice, prices)
        return [bill.within(period) if period else bill]
    if not bill.is_paid or invoice.billing_reason != _CHANGE_REASON:
        return [bill]
    *earlier, _ = period_until(invoice, invoice.id, prices)
    period = [*earlier, bill]
    known = Payment.objects.filter(
        invoice_id__in=[other.invoice.id for other in earlier], fulfilled_at__isnull=False
    )
    known_ids = set(known.values_list("invoice_id", flat=True))
    found = []
    for number, other in enumerate(earlier, 1):
        if other.is_paid and other.invoice.id not in known_ids:
            new = replace(other, invoice=retrieve(other.invoice.id))
            found.append(new if new.begins else new.within(period[:number]))
    return [*found, bill.within(period)]


def _changed_since(begin: stripe.Invoice, prices: mirror.Prices) -> list[Bill]:
    """Return the period's bills if plan changes were recorded before its first bill was paid."""
    details = subscription_details(begin)
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
    period = period_until(begin, latest.invoice_id, prices)
    return period if period[0].invoice.id == begin.id else []


def period_until(invoice: stripe.Invoice, last_id: str, prices: mirror.Prices) -> list[Bill]:
    """Return the bill that began the period, paid or not, and its paid changes up to the last.

    The period may run unpaid while Stripe retries the bill that began it. A subscription that began
    without an invoice, such as one that was moved to Stripe, has only changes.

    Args:
        invoice: any invoice of the subscription.

    Raises:
        NotYetKnownError: Stripe's list doesn't have the last invoice yet.
    """
    details = subscription_details(invoice)
    subscription_id = id_of(details.subscription) if details else None
    found: list[Bill] = []
    with stripe_errors():
        newest_first = get_client().v1.invoices.list(
            {"subscription": subscription_id or "", "limit": 100}
        )
        listed = newest_first.auto_paging_iter()
        for earlier in dropwhile(lambda other: other.id != last_id, listed):
            bill = with_lines(earlier, prices)
            if bill.begins or bill.is_paid:
                found.append(bill)
            if bill.begins:
                break
    if not found:
        raise NotYetKnownError(f"The invoice {last_id} is not in Stripe's list yet.")
    return found[::-1]


def with_lines(invoice: stripe.Invoice, prices: mirror.Prices) -> Bill:
    return Bill(invoice, [plan for line in _lines(invoice) if (plan := _plan_line(line, prices))])


def _lines(invoice: stripe.Invoice) -> list[stripe.InvoiceLineItem]:
    """Return all lines; an invoice itself carries only the first ten."""
    if not invoice.lines.has_more:
        return invoice.lines.data
    with stripe_errors():
        lines = get_client().v1.invoices.line_items.list(invoice.id, {"limit": 100})
        return list(lines.auto_paging_iter())


def _plan_line(line: stripe.InvoiceLineItem, prices: mirror.Prices) -> PlanLine | None:
    parent = line.parent
    details = parent and (parent.subscription_item_details or parent.invoice_item_details)
    pricing = optional(line.pricing, "price_details") if line.pricing else None
    if not details or not details.subscription or pricing is None:
        return None
    price = prices[id_of(pricing.price) or ""]
    if price is None or not price.is_subscription:
        return None
    return PlanLine(
        id=line.id,
        price=price,
        quantity=line.quantity or 1,
        proration=details.proration,
        gives_back=line.amount < 0 or _credits_another(details),
        start=line.period.start,
        end=line.period.end,
    )


def _credits_another(
    details: (
        stripe.InvoiceLineItem.Parent.SubscriptionItemDetails
        | stripe.InvoiceLineItem.Parent.InvoiceItemDetails
    ),
) -> bool:
    """Return whether a line credits another one, even if that cost nothing."""
    proration = details.proration_details
    return bool(proration and proration.credited_items)
