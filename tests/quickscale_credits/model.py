"""A plain model of the ledger's rules, with which the property tests compare the ledger."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

PRIORITIES = {"subscription": 10, "trial": 10, "bonus": 20, "payg": 30, "adjustment": 30}
ZERO = Decimal(0)


@dataclass(eq=False)
class Lot:
    number: int
    credit_type: str
    amount: Decimal
    begins: datetime
    ends: datetime | None = None
    remaining: Decimal = ZERO
    held: Decimal = ZERO
    moved: set[str] = field(default_factory=set)  # converted, rolled over
    lost: Decimal = ZERO  # expired, revoked, transferred or paid for by the overdraft
    parent: Lot | None = None
    source: tuple[str, str] | None = None  # of a schedule


@dataclass
class Hold:
    parts: list[tuple[Lot, Decimal]]
    ends: datetime
    open: bool = True
    took: Decimal | None = None  # by its capture or settlement

    @property
    def amount(self):
        return sum((part for _, part in self.parts), ZERO)


@dataclass
class Taken:
    """What a transaction took, and how much of it was given back."""

    parts: list[tuple[Lot, Decimal]]
    given_back: Decimal = ZERO
    claim: Claim | None = None  # of a revocation

    @property
    def own(self):
        return sum((part for _, part in self.parts), ZERO) - self.given_back

    @property
    def left(self):
        if self.claim is None:
            return self.own
        return self.own + self.claim.due + sum((late.own for late in self.claim.collected), ZERO)


@dataclass
class Payment:
    """What paid the overdraft back, and how much of it was undone."""

    parts: list[tuple[Lot, Decimal]]
    undone: Decimal = ZERO

    @property
    def left(self):
        return sum((part for _, part in self.parts), ZERO) - self.undone


@dataclass
class Claim:
    """What a revocation of a lot could not take, and what was taken for it later."""

    lot: Lot
    due: Decimal
    freezes: bool = False
    collected: list[Taken] = field(default_factory=list)


def last_first(parts, skip, amount):
    """Yield the parts of the next ``amount``, last first, after ``skip`` that was given back."""
    for lot, part in reversed(parts):
        back = min(max(part - skip, ZERO), amount)
        skip = max(skip - part, ZERO)
        amount -= back
        if back:
            yield lot, back


@dataclass
class Model:
    now: datetime
    limit: Decimal = ZERO
    frozen: bool = False
    lots: list[Lot] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    payments: list[Payment] = field(default_factory=list)

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
        """Stop at each time at which something is due, so that nothing happens late."""
        until = self.now + by
        times = {until}
        times |= {hold.ends for hold in self.holds if hold.open}
        times |= {at for lot in self.lots for at in (lot.begins, lot.ends) if at is not None}
        for at in sorted(times):
            if self.now < at <= until:
                self.now = at
                self.settle()

    def settle(self):
        """Time out holds, pay what is owed, then take what has ended."""
        for hold in self.holds:
            if hold.open and hold.ends <= self.now:
                self.free(hold)
        for claim in self.claims:
            parts = []
            for lot in sorted(self.line(claim.lot), key=lambda lot: lot.number):
                part = min(lot.remaining - lot.held, claim.due)
                if part > 0:
                    parts.append((lot, part))
                    self.lose(lot, part)
                    claim.due -= part
            if parts:
                claim.collected.append(Taken(parts))
        self.repay()
        for lot in self.lots:
            if lot.ends is not None and lot.ends <= self.now:
                self.lose(lot, lot.remaining - lot.held)

    def lose(self, lot, part):
        lot.remaining -= part
        lot.lost += part

    def free(self, hold):
        hold.open = False
        for lot, part in hold.parts:
            lot.held -= part

    def add(self, credit_type, amount, begins=None, ends=None):
        lot = Lot(len(self.lots), credit_type, amount, begins or self.now, ends, amount)
        self.lots.append(lot)
        self.settle()
        return lot

    def schedule(self, source, amount, periods):
        """Add one lot for each (begin, end)."""
        number = len(self.lots)
        lots = [
            Lot(number + n, "subscription", amount, begins, ends, amount, source=source)
            for n, (begins, ends) in enumerate(periods)
        ]
        self.lots += lots
        self.settle()
        return lots

    def change_schedule(self, source, new_source, amount):
        coming = sorted(
            {
                (lot.begins, lot.ends)
                for lot in self.lots
                if lot.source == source and lot.remaining and lot.begins > self.now
            }
        )
        if not coming:
            return None
        changed = self.schedule(new_source, amount, coming)
        self.cancel_schedule(source, coming[0][0])
        return changed

    def cancel_schedule(self, source, start):
        """Take the free credits of the lots that begin at ``start`` or later, and claim the rest.

        Return what was taken and what is missing, or ``None`` if both are zero.
        """
        parts, claims = [], []
        for lot in list(self.lots):
            if lot.source == source and lot.begins >= start:
                free = [(one, one.remaining - one.held) for one in self.line(lot)]
                parts += [(one, part) for one, part in free if part]
                missing = self.revocable(lot) - sum((part for _, part in free), ZERO)
                claims += [Claim(lot, missing)] if missing > 0 else []
        for one, part in parts:
            self.lose(one, part)
        self.claims += claims
        self.settle()
        if not parts and not claims:
            return None
        taken = sum((part for _, part in parts), ZERO)
        return taken, sum((claim.due for claim in claims), ZERO)

    def pick(self, amount, limit=None):
        """Return the parts that pay, or the amount that there is if it is too little."""
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
        hold.took = amount
        parts = []
        for lot, part in hold.parts:
            if amount:
                parts.append((lot, min(part, amount)))
                amount -= parts[-1][1]
        taken = self.take(parts)
        self.settle()
        return taken

    def charge_finished_work(self, hold, amount):
        """Take what an open hold has, then what can be spent; return also what is missing."""
        held = []
        if hold and hold.open:
            for lot, part in hold.parts:
                held.append((lot, min(part, amount)))
                amount -= held[-1][1]
        picked = self.pick(amount) if amount else []
        missing = ZERO
        if isinstance(picked, Decimal):
            missing = amount - picked
            picked = self.pick(picked) if picked else []
        parts = {}
        for lot, part in [*held, *picked]:
            parts[lot] = parts.get(lot, ZERO) + part
        if hold and hold.open:
            self.free(hold)
            hold.took = sum(parts.values(), ZERO)
        if missing and not parts and not self.debt:  # even a line of 0 needs a lot
            self.lots.append(Lot(len(self.lots), "overdraft", ZERO, self.now))
        taken = self.take([(lot, part) for lot, part in parts.items() if part])
        self.settle()
        return taken, missing

    def prolong(self, hold, ttl):
        hold.ends = max(hold.ends, self.now + ttl)

    def release(self, hold):
        self.free(hold)
        self.settle()

    def reverse(self, taken, amount):
        claim = taken.claim
        if claim:
            waived = min(claim.due, amount)
            claim.due -= waived
            amount -= waived
        for entry in [taken, *(reversed(claim.collected) if claim else [])]:
            part = min(entry.own, amount)
            amount -= part
            self.give_back(entry, part, claim)
        if claim and claim.freezes and not claim.due:
            claim.freezes = False
            self.frozen = any(other.freezes for other in self.claims)
        self.settle()

    def give_back(self, taken, amount, claim):
        skip, taken.given_back = taken.given_back, taken.given_back + amount
        for lot, back in last_first(taken.parts, skip, amount):
            if claim:
                revoked = claim.lot if lot.credit_type == "overdraft" else lot
                revoked.lost -= back
            if lot.credit_type == "overdraft":
                self.unpay(back + lot.remaining)
            lot.remaining += back

    def unpay(self, surplus):
        """Return what the overdraft no longer needs to the lots that paid it, the newest first."""
        for payment in reversed(self.payments):
            part = min(payment.left, max(surplus, ZERO))
            for lot, back in last_first(payment.parts, payment.undone, part):
                lot.remaining += back
                self.debt.remaining -= back
            payment.undone += part
            surplus -= part

    def repay(self):
        owed = -self.debt.remaining if self.limit and self.debt else ZERO
        if owed:
            picked = self.pick(owed, limit=ZERO)
            if not isinstance(picked, list):
                picked = self.pick(picked, limit=ZERO) if picked else []
            self.take(picked)
            self.debt.remaining += sum((part for _, part in picked), ZERO)
            self.payments.append(Payment(picked))

    def set_frozen(self, frozen):
        """Freeze or unfreeze by hand, which also ends the freezes of revocations."""
        self.frozen = frozen
        for claim in self.claims:
            claim.freezes = False

    def revoke(self, lot, amount, policy):
        line = self.line(lot)
        amount = min(amount, self.revocable(lot))
        parts, missing = [], amount
        for one in sorted(line, key=lambda one: one.number):
            part = min(one.remaining - one.held, missing)
            parts += [(one, part)] if part else []
            one.lost += part
            missing -= part
        if policy == "overdraft" and missing and self.limit:
            if not self.debt:
                self.lots.append(Lot(len(self.lots), "overdraft", ZERO, self.now))
            part = min(self.limit + self.debt.remaining - self.debt.held, missing)
            parts += [(self.debt, part)] if part else []
            lot.lost += part
            missing -= part
        taken = self.take(parts)
        by_claim = any(claim.freezes for claim in self.claims)
        freezes = missing > 0 and policy == "freeze" and (by_claim or not self.frozen)
        self.frozen = self.frozen or freezes
        taken.claim = Claim(lot, missing, freezes)
        self.claims.append(taken.claim)
        self.settle()
        return taken, missing

    def revocable(self, lot):
        """Return a lot's amount, less what it and the lots made of it have lost and owe."""
        line = self.line(lot)
        left = lot.amount - sum((one.lost for one in line), ZERO)
        left -= sum((claim.due for claim in self.claims if claim.lot in line), ZERO)
        above = [] if lot.parent is None else [self.revocable(lot.parent)]
        return max(min([left, *above]), ZERO)

    def line(self, lot):
        """Return a lot and the lots that conversions made of it."""
        return [lot] + [
            one for child in self.lots if child.parent is lot for one in self.line(child)
        ]

    def transfer(self, lot, to, amount):
        """Return the new lot, ``None`` if nothing moves, or what is free if that is too little."""
        free = lot.remaining - lot.held
        part = free if amount is None else amount
        if not part:
            return None
        if part > free:
            return free
        self.lose(lot, part)
        new = Lot(len(to.lots), lot.credit_type, part, lot.begins, lot.ends, remaining=part)
        new.source = lot.source
        to.lots.append(new)
        to.settle()
        return new

    def convert(self, lot):
        return self.move_credits(lot, "payg", None)

    def roll_over(self, lot, ends):
        return self.move_credits(lot, lot.credit_type, ends)

    def move_credits(self, lot, credit_type, ends):
        part = lot.remaining - lot.held
        how = "convert" if ends is None else "roll over"
        if how in lot.moved or not part:
            return None
        lot.moved.add(how)
        lot.remaining -= part
        begins = max(lot.begins, self.now)
        self.lots.append(
            Lot(len(self.lots), credit_type, part, begins, ends, remaining=part, parent=lot)
        )
        return self.lots[-1]
