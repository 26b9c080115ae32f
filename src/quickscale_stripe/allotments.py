"""How many credits an invoice's lines bring, and for which time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_DOWN, Decimal
from itertools import dropwhile

import stripe

from quickscale_stripe import catalogue
from quickscale_stripe.client import get_client
from quickscale_stripe.exceptions import stripe_errors
from quickscale_stripe.models import StripePrice
from quickscale_stripe.stripe_objects import at, id_of, optional

PERIOD_REASONS = ("subscription_create", "subscription_cycle")
CHANGE_REASON = "subscription_update"


@dataclass(frozen=True)
class Allotment:
    line_id: str
    price: StripePrice
    amount: Decimal
    period: tuple[datetime, datetime]


@dataclass(frozen=True)
class PlanLine:
    """A line of a plan: a whole period, or a part of one that is charged or given back."""

    id: str
    price: StripePrice
    quantity: int
    proration: bool
    gives_back: bool
    start: int
    end: int

    @property
    def seconds(self) -> int:
        return self.end - self.start

    @property
    def full(self) -> Decimal:
        return self.price.credits * self.quantity

    def as_allotment(self, amount: Decimal) -> Allotment:
        return Allotment(self.id, self.price, amount, (at(self.start), at(self.end)))


def period_allotments(invoice: stripe.Invoice) -> list[Allotment]:
    """The whole periods that an invoice charges: all credits of each plan's price."""
    return [line.as_allotment(line.full) for line in plan_lines(invoice) if not line.proration]


def change_allotments(period: list[stripe.Invoice]) -> list[Allotment]:
    """What the last of :func:`period_invoices`, a paid change of plan, brings.

    A line is worth its price's credits for its share of the period; a line that gives money back
    counts against it. Only what lifts the sum of the period's changes above where it has been
    before is brought, so plans changed to and fro bring nothing twice. Time is the measure and
    not money, for discounts would tell the two directions differently.
    """
    *earlier, total = _changes(period)
    gain = total - max(earlier, default=total)
    charged = [line for line in plan_lines(period[-1]) if not line.gives_back]
    if gain <= 0 or not charged:
        return []
    return [charged[0].as_allotment(gain.quantize(Decimal("0.0001"), ROUND_DOWN))]


def period_worth(period: list[stripe.Invoice]) -> Decimal:
    """The credits that the money of :func:`period_invoices` is for, after the last of them."""
    paid = period_allotments(period[0]) if period[0].status == "paid" else []
    first = sum((allotment.amount for allotment in paid), Decimal(0))
    return (first + _changes(period)[-1]).quantize(Decimal("0.0001"), ROUND_DOWN)


def _changes(period: list[stripe.Invoice]) -> list[Decimal]:
    """What the period's changes are worth together: before the first, after it, and so on."""
    first, *changes = [plan_lines(invoice) for invoice in period]
    seconds = _period_seconds(first)
    totals = [Decimal(0)]
    for lines in changes:
        # What is given back is a part of the old period, also when the plan's interval changes.
        ended, seconds = seconds, _period_seconds(lines) or seconds
        worth = (_worth(line, ended if line.gives_back else seconds) for line in lines)
        totals.append(totals[-1] + sum(worth, Decimal(0)))
    return totals


def charged_plan(invoice: stripe.Invoice) -> StripePrice | None:
    """The plan that an invoice charges; ``None`` when it is about no plan."""
    return next((line.price for line in plan_lines(invoice) if not line.gives_back), None)


def period_invoices(invoice: stripe.Invoice) -> list[stripe.Invoice]:
    """The invoice that began the period, paid or not, and the paid ones of its changes up to this.

    The period may go on unpaid while Stripe tries again to collect its begin.
    """
    details = invoice.parent.subscription_details if invoice.parent else None
    subscription_id = id_of(details.subscription) if details else None
    found: list[stripe.Invoice] = []
    with stripe_errors():
        newest_first = get_client().v1.invoices.list(
            {
                "subscription": subscription_id or "",
                "created": {"lte": invoice.created},
                "limit": 100,
            }
        )
        listed = newest_first.auto_paging_iter()
        for earlier in dropwhile(lambda other: other.id != invoice.id, listed):
            begins = earlier.billing_reason in PERIOD_REASONS
            if begins or earlier.status == "paid":
                found.append(earlier)
            if begins:
                break
    return found[::-1]


def plan_lines(invoice: stripe.Invoice) -> list[PlanLine]:
    found = []
    for line in _lines(invoice):
        parent = line.parent
        details = (
            parent and (parent.subscription_item_details or parent.invoice_item_details)
        )  # fmt: skip
        pricing = optional(line.pricing, "price_details") if line.pricing else None
        if not details or not details.subscription or pricing is None:
            continue
        price = catalogue.get_price(id_of(pricing.price) or "")
        if price is not None and price.is_subscription:
            found.append(
                PlanLine(
                    id=line.id,
                    price=price,
                    quantity=line.quantity or 1,
                    proration=details.proration,
                    gives_back=line.amount < 0,
                    start=line.period.start,
                    end=line.period.end,
                )
            )
    return found


def _period_seconds(lines: list[PlanLine]) -> int:
    return max((line.seconds for line in lines if not line.proration), default=0)


def _worth(line: PlanLine, period: int) -> Decimal:
    share = Decimal(line.seconds) / period if line.proration and period else Decimal(1)
    worth = line.full * min(share, Decimal(1))
    return -worth if line.gives_back else worth


def _lines(invoice: stripe.Invoice) -> list[stripe.InvoiceLineItem]:
    """All lines; an invoice itself carries only the first ten."""
    if not invoice.lines.has_more:
        return invoice.lines.data
    with stripe_errors():
        lines = get_client().v1.invoices.line_items.list(invoice.id, {"limit": 100})
        return list(lines.auto_paging_iter())
