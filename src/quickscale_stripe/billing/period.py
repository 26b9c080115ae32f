"""How many credits invoices bring, and for which period, computed from their plan lines."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

import stripe

from quickscale_stripe.internal.sdk import at
from quickscale_stripe.models import StripePrice

PERIOD_REASONS = ("subscription_create", "subscription_cycle")


@dataclass(frozen=True)
class Allotment:
    line_id: str
    price: StripePrice
    amount: Decimal
    period: tuple[datetime, datetime]


@dataclass(frozen=True)
class PlanLine:
    """An invoice line of a plan: a whole period, or a part of one that is charged or credited."""

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


@dataclass(frozen=True)
class PlanChange:
    """What a paid plan change means for the credits of its period.

    Args:
        worth: the credits that the period's payments are worth after the change.
        returned: the credits of the time that the change refunded.
        line: the line that charges the new plan, if one does.
        difference: how much more a whole period costs than before, without tax and discounts, in
            minor units.
    """

    worth: Decimal
    returned: Decimal
    line: PlanLine | None
    difference: int

    def paid_share(self, paid: int) -> Decimal:
        """Return the share of a whole period's difference that was paid, from 0 to 1.

        A longer interval that costs less has no difference; its payment is for a whole period.
        """
        if paid <= 0 or self.difference <= 0:
            return Decimal(1 if paid > 0 else 0)
        return min(Decimal(paid) / self.difference, Decimal(1))


@dataclass(frozen=True)
class Bill:
    """An invoice with its plan lines.

    ``change`` says what a paid plan change brings. A period that is paid after changes within it
    has one, too. ``others`` are the ids of the invoices that the period had by then.
    """

    invoice: stripe.Invoice
    lines: list[PlanLine]
    change: PlanChange | None = None
    others: tuple[str, ...] = ()

    @property
    def begins(self) -> bool:
        """Whether the invoice begins a period."""
        return self.invoice.billing_reason in PERIOD_REASONS

    @property
    def is_paid(self) -> bool:
        return self.invoice.status == "paid"

    @property
    def charged(self) -> PlanLine | None:
        """The line that charges a plan; ``None`` if the invoice has none."""
        return next((line for line in self.lines if not line.gives_back), None)

    @property
    def allotments(self) -> list[Allotment]:
        return _allotments(self) if self.begins else []

    def within(self, period: list[Bill]) -> Bill:
        """Return the bill with the combined effect of the period's bills up to its last change."""
        ids = [bill.invoice.id for bill in period]
        others = tuple(other for other in ids if other != self.invoice.id)
        return replace(self, change=plan_change(period), others=others)


def _allotments(bill: Bill) -> list[Allotment]:
    """Return what an invoice that begins a period brings.

    Each whole period brings all credits of its plan's price. A change of plan or of seats whose
    proration waited for this invoice brings its share with the new period, because its own is over.
    If it credited more than it charged, the whole periods bring that much less.
    """
    invoice = bill.invoice
    whole = [line.as_allotment(line.full) for line in bill.lines if not line.proration]
    changed = [line for line in bill.lines if line.proration]
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
    """Return the credits that changes within a period of ``period`` seconds are worth."""
    shares = (_share(line, period) * (-1 if line.gives_back else 1) for line in lines)
    return sum(shares, Decimal(0))


def plan_change(period: list[Bill]) -> PlanChange:
    """Return what the last of a period's bills, a paid plan change, means.

    A line is worth its price's credits for its share of the period; a line that returns money is
    subtracted. The share is measured in time, because discounts would make the two directions
    differ in money. Time is in seconds and credits are whole, so only the sum is rounded: changes
    back and forth gain nothing.

    Args:
        period: the bill that began it, if there is one, and those of its changes, oldest first.
    """
    begin, last = period[0], period[-1]
    worth = returned = Decimal(0)
    if begin.is_paid:
        worth = sum((allotment.amount for allotment in begin.allotments), Decimal(0))
    seconds = _period_seconds(begin.lines)
    for bill in period[1:] if begin.begins else period:
        # The credited time is part of the old period, even if the plan's interval changes.
        ended, seconds = seconds, _period_seconds(bill.lines) or seconds
        returned = -_net([line for line in bill.lines if line.gives_back], ended)
        worth += _net([line for line in bill.lines if not line.gives_back], seconds) - returned
    difference = sum(-line.cost if line.gives_back else line.cost for line in last.lines)
    step = _step(line for bill in period for line in bill.lines)
    return PlanChange(_rounded(worth, step), _rounded(returned, step), last.charged, difference)


def _period_seconds(lines: list[PlanLine]) -> int:
    return max((line.seconds for line in lines if not line.proration), default=0)


def _share(line: PlanLine, period: int) -> Decimal:
    """Return the credits that a line is worth in a period of ``period`` seconds."""
    period = period or line.price.days * 24 * 60 * 60
    share = Decimal(line.seconds) / period if line.proration else Decimal(1)
    return line.full * min(share, Decimal(1))


def _step(lines: Iterable[PlanLine]) -> Decimal:
    """Whole credits, unless a plan itself has fractions."""
    whole = all(line.full == line.full.to_integral_value() for line in lines)
    return Decimal(1 if whole else "0.0001")


def _rounded(amount: Decimal, step: Decimal) -> Decimal:
    return amount.quantize(step, ROUND_HALF_UP)
