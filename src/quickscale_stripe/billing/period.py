"""How many credits an invoice's lines bring, and for which time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from itertools import dropwhile

import stripe

from quickscale_stripe.catalogue import mirror
from quickscale_stripe.client import get_client
from quickscale_stripe.exceptions import NotYetKnownError, stripe_errors
from quickscale_stripe.internal.sdk import at, id_of, optional
from quickscale_stripe.models import StripePrice

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

    @property
    def cost(self) -> int:
        return (self.price.unit_amount or 0) * self.quantity

    def as_allotment(self, amount: Decimal) -> Allotment:
        return Allotment(self.id, self.price, amount, (at(self.start), at(self.end)))


def period_allotments(invoice: stripe.Invoice) -> list[Allotment]:
    """What an invoice brings that begins a period.

    Each whole period brings all credits of its plan's price. A change of plan or of seats whose
    proration waited for this invoice brings its share, with the new period, for its own is over.
    Where it gave back more than it charged, the whole periods bring so much less.
    """
    lines = plan_lines(invoice)
    whole = [line.as_allotment(line.full) for line in lines if not line.proration]
    changed = [line for line in lines if line.proration]
    waited = _rounded(_net(changed, invoice.period_end - invoice.period_start), _step(changed))
    if waited > 0:
        line = next(line for line in changed if not line.gives_back)
        brought = line.as_allotment(waited)
        is_over = whole and line.end <= invoice.period_end
        return [*whole, replace(brought, period=whole[0].period) if is_over else brought]
    for number, allotment in enumerate(whole):
        less = min(allotment.amount, -waited)
        whole[number] = replace(allotment, amount=allotment.amount - less)
        waited += less
    return whole


def _net(lines: list[PlanLine], period: int) -> Decimal:
    """The credits that changes within a period of ``period`` seconds are worth."""
    shares = (_share(line, period) * (-1 if line.gives_back else 1) for line in lines)
    return sum(shares, Decimal(0))


@dataclass(frozen=True)
class PlanChange:
    """What a paid change of plan means for the credits of its period.

    Args:
        worth: the credits that the period's money is for after the change.
        returned: those of the time that the change gave back.
        line: the line that charges the new plan, if one does.
        difference: what a whole period costs more than before, without tax and discounts, in
            minor units.
    """

    worth: Decimal
    returned: Decimal
    line: PlanLine | None
    difference: int

    def paid_share(self, paid: int) -> Decimal:
        """How much of a whole period's difference was paid, from 0 to 1.

        A longer interval that costs less has no difference; what is paid then is for a whole
        period.
        """
        if paid <= 0 or self.difference <= 0:
            return Decimal(1 if paid > 0 else 0)
        return min(Decimal(paid) / self.difference, Decimal(1))


def plan_change(period: list[stripe.Invoice]) -> PlanChange:
    """What the last of :func:`period_invoices`, a paid change of plan, means.

    A line is worth its price's credits for its share of the period; a line that gives money back
    counts against it. Time is the measure and not money, for discounts would tell the two
    directions differently. Time has seconds and credits are whole, so the sum is rounded, not its
    parts: changes back and forth gain nothing.
    """
    begin, lines = period[0], [plan_lines(invoice) for invoice in period]
    worth = returned = Decimal(0)
    if _begins(begin) and begin.status == "paid":
        worth = sum((allotment.amount for allotment in period_allotments(begin)), Decimal(0))
    seconds = _period_seconds(lines[0])
    for changed in lines[1:] if _begins(begin) else lines:
        # What is given back is a part of the old period, also when the plan's interval changes.
        ended, seconds = seconds, _period_seconds(changed) or seconds
        returned = sum((_share(line, ended) for line in changed if line.gives_back), Decimal(0))
        charged = sum(
            (_share(line, seconds) for line in changed if not line.gives_back), Decimal(0)
        )
        worth += charged - returned
    line = next((line for line in lines[-1] if not line.gives_back), None)
    difference = sum(-line.cost if line.gives_back else line.cost for line in lines[-1])
    step = _step(line for some in lines for line in some)
    return PlanChange(_rounded(worth, step), _rounded(returned, step), line, difference)


def charged_plan(invoice: stripe.Invoice) -> StripePrice | None:
    """The plan that an invoice charges; ``None`` when it is about no plan."""
    return next((line.price for line in plan_lines(invoice) if not line.gives_back), None)


def period_invoices(invoice: stripe.Invoice) -> list[stripe.Invoice]:
    """The invoice that began the period, paid or not, and the paid ones of its changes up to this.

    The period may go on unpaid while Stripe tries again to collect its begin. Only changes are
    found of a subscription that began without an invoice, as one that was moved to Stripe.

    Raises:
        NotYetKnownError: Stripe's list doesn't have the invoice yet.
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
            if _begins(earlier) or earlier.status == "paid":
                found.append(earlier)
            if _begins(earlier):
                break
    if not found:
        raise NotYetKnownError(f"The invoice {invoice.id} is not in Stripe's list yet.")
    return found[::-1]


def _begins(invoice: stripe.Invoice) -> bool:
    return invoice.billing_reason in PERIOD_REASONS


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
        price = mirror.get_price(id_of(pricing.price) or "")
        if price is not None and price.is_subscription:
            found.append(
                PlanLine(
                    id=line.id,
                    price=price,
                    quantity=line.quantity or 1,
                    proration=details.proration,
                    gives_back=line.amount < 0 or _credits_another(details),
                    start=line.period.start,
                    end=line.period.end,
                )
            )
    return found


def _period_seconds(lines: list[PlanLine]) -> int:
    return max((line.seconds for line in lines if not line.proration), default=0)


def _credits_another(
    details: (
        stripe.InvoiceLineItem.Parent.SubscriptionItemDetails
        | stripe.InvoiceLineItem.Parent.InvoiceItemDetails
    ),
) -> bool:
    """Whether a line gives another one back, which may have cost nothing."""
    proration = details.proration_details
    return bool(proration and proration.credited_items)


def _share(line: PlanLine, period: int) -> Decimal:
    """The credits that a line is worth in a period of ``period`` seconds."""
    period = period or line.price.days * 24 * 60 * 60
    share = Decimal(line.seconds) / period if line.proration else Decimal(1)
    return line.full * min(share, Decimal(1))


def _step(lines: Iterable[PlanLine]) -> Decimal:
    """Whole credits, unless a plan itself has parts of one."""
    whole = all(line.full == line.full.to_integral_value() for line in lines)
    return Decimal(1 if whole else "0.0001")


def _rounded(amount: Decimal, step: Decimal) -> Decimal:
    return amount.quantize(step, ROUND_HALF_UP)


def _lines(invoice: stripe.Invoice) -> list[stripe.InvoiceLineItem]:
    """All lines; an invoice itself carries only the first ten."""
    if not invoice.lines.has_more:
        return invoice.lines.data
    with stripe_errors():
        lines = get_client().v1.invoices.line_items.list(invoice.id, {"limit": 100})
        return list(lines.auto_paging_iter())
