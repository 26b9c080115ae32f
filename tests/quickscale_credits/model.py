"""The ledger's rules once more, as plainly as they can be said: what the property tests compare."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

PRIORITIES = {"subscription": 10, "trial": 10, "bonus": 20, "payg": 30, "adjustment": 30}
ZERO = Decimal(0)


@dataclass
class Lot:
    number: int
    credit_type: str
    amount: Decimal
    begins: datetime
    ends: datetime | None = None
    remaining: Decimal = ZERO
    held: Decimal = ZERO
    converted: bool = False
    gone: Decimal = ZERO  # expired, revoked or paid for by the overdraft
    due: Decimal = ZERO  # to be revoked when it comes back
    parent: Lot | None = None


@dataclass
class Hold:
    parts: list[tuple[Lot, Decimal]]
    ends: datetime
    open: bool = True

    @property
    def amount(self):
        return sum((part for _, part in self.parts), ZERO)


@dataclass
class Taken:
    """What a transaction took, and how much of it was given back."""

    parts: list[tuple[Lot, Decimal]]
    given_back: Decimal = ZERO
    revoked: Lot | None = None  # of a revocation, with what it could not take
    shortfall: Decimal = ZERO

    @property
    def left(self):
        return sum((part for _, part in self.parts), ZERO) - self.given_back


@dataclass
class Model:
    now: datetime
    limit: Decimal = ZERO
    lots: list[Lot] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)

    @property
    def debt(self):
        return next((lot for lot in self.lots if lot.credit_type == "overdraft"), None)

    def spendable(self):
        lots = [
            lot
            for lot in self.lots
            if lot.credit_type != "overdraft"
            and lot.remaining > lot.held
            and lot.begins <= self.now
            and (lot.ends is None or lot.ends > self.now)
        ]
        never = datetime.max.replace(tzinfo=self.now.tzinfo)
        return sorted(
            lots, key=lambda lot: (PRIORITIES[lot.credit_type], lot.ends or never, lot.number)
        )

    def balance(self):
        return sum((lot.remaining for lot in self.lots if lot.begins <= self.now), ZERO)

    def available(self):
        return self.balance() - sum((lot.held for lot in self.lots), ZERO)

    def by_type(self):
        totals = dict.fromkeys(PRIORITIES, ZERO)
        for lot in self.lots:
            if lot.remaining and lot.begins <= self.now:
                totals[lot.credit_type] = totals.get(lot.credit_type, ZERO) + lot.remaining
        return totals

    def move(self, by: timedelta):
        self.now += by
        self.settle()

    def settle(self):
        """Time out holds, then take what has ended."""
        for hold in self.holds:
            if hold.open and hold.ends <= self.now:
                self.free(hold)
        for lot in self.lots:
            part = min(lot.due, lot.remaining - lot.held) if lot.due else ZERO
            lot.due -= part
            self.lose(lot, part)
            if lot.ends is not None and lot.ends <= self.now:
                self.lose(lot, lot.remaining - lot.held)

    def lose(self, lot, part):
        lot.remaining -= part
        lot.gone += part

    def free(self, hold):
        hold.open = False
        for lot, part in hold.parts:
            lot.held -= part

    def add(self, credit_type, amount, begins=None, ends=None):
        lot = Lot(len(self.lots), credit_type, amount, begins or self.now, ends, amount)
        self.lots.append(lot)
        self.repay()
        return lot

    def pick(self, amount, limit=None):
        """The parts that pay, or what there is when that is too little."""
        parts, wanted = [], amount
        for lot in self.spendable():
            part = min(lot.remaining - lot.held, wanted)
            parts.append((lot, part))
            wanted -= part
            if not wanted:
                return parts
        limit = self.limit if limit is None else limit
        if limit:
            if not self.debt:
                self.lots.append(Lot(len(self.lots), "overdraft", ZERO, self.now))
            part = min(limit + self.debt.remaining - self.debt.held, wanted)
            if part:
                parts.append((self.debt, part))
                wanted -= part
        return amount - wanted if wanted else parts

    def take(self, parts):
        for lot, part in parts:
            lot.remaining -= part
        return Taken(parts)

    def hold(self, parts, ttl):
        for lot, part in parts:
            lot.held += part
        hold = Hold(parts, self.now + ttl)
        self.holds.append(hold)
        return hold

    def capture(self, hold, amount):
        self.free(hold)
        parts = []
        for lot, part in hold.parts:
            if amount:
                parts.append((lot, min(part, amount)))
                amount -= parts[-1][1]
        taken = self.take(parts)
        self.settle()
        self.repay()
        return taken

    def release(self, hold):
        self.free(hold)
        self.settle()
        self.repay()

    def reverse(self, taken, amount):
        skip, taken.given_back = taken.given_back, taken.given_back + amount
        surplus = ZERO
        for lot, part in reversed(taken.parts):
            back = min(max(part - skip, ZERO), amount)
            skip = max(skip - part, ZERO)
            amount -= back
            if lot.credit_type == "overdraft":
                surplus = max(back + lot.remaining, ZERO)
                back -= surplus
            lot.remaining += back
            if taken.revoked and lot.credit_type == "overdraft":
                taken.revoked.gone -= back + surplus
            elif taken.revoked:
                lot.gone -= back
        if taken.revoked:
            claim = taken.shortfall
            for lot in self.line(taken.revoked):
                part = min(lot.due, claim)
                lot.due -= part
                claim -= part
        if surplus:
            self.lots.append(
                Lot(len(self.lots), "adjustment", surplus, self.now, remaining=surplus)
            )
        self.settle()
        self.repay()

    def repay(self):
        owed = -self.debt.remaining if self.limit and self.debt else ZERO
        if owed:
            picked = self.pick(owed, limit=ZERO)
            if not isinstance(picked, list):
                picked = self.pick(picked, limit=ZERO) if picked else []
            self.take(picked)
            self.debt.remaining += sum((part for _, part in picked), ZERO)

    def revoke(self, lot, amount, *, overdraft):
        line = self.line(lot)
        left = lot.amount - sum((one.gone + one.due for one in line), ZERO)
        amount = min(amount, max(left, ZERO))
        parts, missing = [], amount
        for one in line:
            part = min(one.remaining - one.held, missing)
            parts += [(one, part)] if part else []
            one.gone += part
            missing -= part
        if overdraft and missing and self.limit:
            if not self.debt:
                self.lots.append(Lot(len(self.lots), "overdraft", ZERO, self.now))
            part = min(self.limit + self.debt.remaining - self.debt.held, missing)
            parts += [(self.debt, part)] if part else []
            lot.gone += part
            missing -= part
        taken = self.take(parts)
        claim = missing
        for one in sorted(line, key=lambda one: (-one.held, one.number)):
            moved = sum((child.amount for child in self.lots if child.parent is one), ZERO)
            used = one.amount - one.remaining + one.held - one.gone - one.due - moved
            part = min(max(used, ZERO), claim)
            one.due += part
            claim -= part
        taken.revoked, taken.shortfall = lot, missing
        return taken, missing

    def line(self, lot):
        """A lot and what conversions made of it."""
        return [lot] + [
            one for child in self.lots if child.parent is lot for one in self.line(child)
        ]

    def convert(self, lot):
        part = lot.remaining - lot.held
        if lot.converted or not part:
            return
        lot.converted = True
        lot.remaining -= part
        begins = max(lot.begins, self.now)
        self.lots.append(Lot(len(self.lots), "payg", part, begins, remaining=part, parent=lot))
