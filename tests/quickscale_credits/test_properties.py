"""Random histories on a moving clock: after every step the ledger and a plain model agree.

``HYPOTHESIS_PROFILE=thorough`` tries many more.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import ROUND_UP, Decimal

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from quickscale_credits import allotments, ledger
from quickscale_credits.exceptions import (
    AccountFrozenError,
    HoldStateError,
    IdempotencyConflictError,
    InsufficientCreditsError,
    InvalidAmountError,
    ReversalError,
)
from quickscale_credits.internal.clock import ledger_clock
from quickscale_credits.models import CreditAccount, CreditHold, CreditLot, CreditTransaction
from tests.owners import make_owner
from tests.quickscale_credits.model import Model

THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
HOUR = timedelta(hours=1)

amounts = st.one_of(
    st.integers(1, 60).map(Decimal),
    st.integers(1, 600_000).map(lambda n: Decimal(n).scaleb(-4)),
)
hours = st.integers(1, 60).map(lambda n: n * HOUR)
either = st.sampled_from([0, 0, 0, 1])  # of the two accounts


@contextmanager
def refused(error, when):
    if not when:
        yield
        return
    with pytest.raises(error):
        yield


class Ledger(RuleBasedStateMachine):
    lots = Bundle("lots")
    holds = Bundle("holds")
    uses = Bundle("uses")

    def __init__(self):
        super().__init__()
        self.atomic = transaction.atomic()
        self.atomic.__enter__()
        self.accounts = [CreditAccount.objects.for_owner(make_owner()) for _ in range(2)]
        self.account = self.accounts[0]
        self.model = Model(datetime(2030, 1, 1, tzinfo=UTC))
        other = Model(self.model.now)
        self.models = dict(zip((a.pk for a in self.accounts), (self.model, other), strict=True))
        self.frozen = ledger_clock(self.model.now)
        self.clock = self.frozen.__enter__()
        self.numbers = {}  # the model's numbers of the ledger's lots
        self.schedules = []  # their sources

    def teardown(self):
        self.frozen.__exit__(None, None, None)
        transaction.set_rollback(True)
        self.atomic.__exit__(None, None, None)

    def parts(self, entry):
        """Return the allocations of a transaction in the model's terms."""
        self.number_lots(entry.account_id)
        return [
            (self.numbers[a.lot_id], -a.amount)
            for a in entry.allocations.order_by("id")
            if a.amount
        ]

    def number_lots(self, account):
        stored = CreditLot.objects.filter(account=account).order_by("id")
        for number, lot in enumerate(stored):
            self.numbers[lot.pk] = number

    def expect(self, entry, taken):
        assert self.parts(entry) == [(lot.number, part) for lot, part in taken.parts]

    @rule(target=lots, amount=amounts, kind=st.sampled_from(["payg", "adjustment", "bonus"]))
    def add(self, amount, kind):
        entry = self.account.add_credits(amount, "Added", credit_type=kind)
        return entry.allocations.get().lot, self.model.add(kind, amount)

    @rule(
        target=lots,
        amount=amounts,
        kind=st.sampled_from(["subscription", "trial", "bonus"]),
        wait=st.one_of(st.just(timedelta(0)), hours),
        life=hours,
    )
    def add_for_a_time(self, amount, kind, wait, life):
        begins = self.model.now + wait
        entry = self.account.add_credits(
            amount, "Added", credit_type=kind, effective_at=begins, expires_at=begins + life
        )
        model = self.model.add(kind, amount, begins, begins + life)
        return entry.allocations.get().lot, model

    @rule(target=lots, amount=amounts, begun=hours, number=st.integers(1, 3))
    def schedule(self, amount, begun, number):
        """Schedule months, the first of which has begun and ends in some hours."""
        anchor = self.model.now - timedelta(days=28) + begun
        terms = allotments.periods(anchor, anchor + number * timedelta(days=31))
        source = ("schedule", str(len(self.schedules)))
        entry = allotments.schedule_allotment(
            account=self.account,
            amount=amount,
            description="Plan",
            anchor=anchor,
            until=terms[-1][1],
            source=source,
        )
        return self.scheduled(source, entry, self.model.schedule(source, amount, terms))

    def scheduled(self, source, entry, models):
        self.schedules.append(source)
        stored = [part.lot for part in entry.allocations.order_by("lot_id")]
        return multiple(*zip(stored, models, strict=True))

    @precondition(lambda self: self.schedules)
    @rule(target=lots, amount=amounts, number=st.integers(0, 9))
    def change_schedule(self, amount, number):
        source = self.schedules[number % len(self.schedules)]
        new_source = ("schedule", str(len(self.schedules)))
        entry = allotments.change_allotment(
            account=self.account,
            source=source,
            new_source=new_source,
            amount=amount,
            description="Another plan",
        )
        changed = self.model.change_schedule(source, new_source, amount)
        assert (entry is None) == (changed is None)
        return multiple() if changed is None else self.scheduled(new_source, entry, changed)

    @precondition(lambda self: self.schedules)
    @rule(number=st.integers(0, 9), late=st.sampled_from([timedelta(0), 40 * HOUR]))
    def cancel_schedule(self, number, late):
        source = self.schedules[number % len(self.schedules)]
        start = self.model.now - late
        entry = allotments.cancel_allotment(
            account=self.account, source=source, reason="Cancelled", at=start
        )
        cancelled = self.model.cancel_schedule(source, start)
        assert (entry and (-entry.amount, entry.shortfall)) == cancelled

    @rule(target=uses, amount=amounts, remove=st.booleans(), keyed=st.booleans(), who=either)
    def use(self, amount, remove, keyed, who):
        account, model = self.accounts[who], self.models[self.accounts[who].pk]
        operation = account.remove_credits if remove else account.consume_credits
        if model.frozen and not remove:
            with pytest.raises(AccountFrozenError):
                operation(amount, "Work")
            return multiple()
        picked = model.pick(amount)
        assert account.can_spend(amount) == (not model.frozen and isinstance(picked, list))
        key = f"key {CreditTransaction.objects.count()}" if keyed else None
        if isinstance(picked, Decimal):
            with pytest.raises(InsufficientCreditsError) as caught:
                operation(amount, "Work", idempotency_key=key)
            assert (caught.value.available, caught.value.required) == (picked, amount)
            return multiple()
        taken = model.take(picked)
        entry = operation(amount, "Work", idempotency_key=key)
        assert not entry.replayed
        if key:
            again = operation(amount, "Work", idempotency_key=key)
            assert (again, again.replayed) == (entry, True)
        self.expect(entry, taken)
        return entry, taken

    @rule(
        target=uses,
        spends=st.lists(st.tuples(amounts, st.sampled_from(["", "", "a", "b"])), max_size=6),
    )
    def use_many(self, spends):
        batch = CreditTransaction.objects.count()
        answers = ledger.consume_many(
            {
                "account": self.account,
                "amount": amount,
                "description": "Work",
                "idempotency_key": f"batch {batch} {key}" if key else None,
            }
            for amount, key in spends
        )
        if self.model.frozen:
            assert all(isinstance(answer, AccountFrozenError) for answer in answers)
            return multiple()
        first, made = {}, []
        for (amount, key), answer in zip(spends, answers, strict=True):
            if key in first:
                before, amount_before = first[key]
                if amount == amount_before:
                    assert (answer, answer.replayed) == (before, True)
                else:
                    assert isinstance(answer, IdempotencyConflictError)
                continue
            picked = self.model.pick(amount)
            if isinstance(picked, Decimal):
                assert (answer.available, answer.required) == (picked, amount)
                continue
            made.append((answer, self.model.take(picked)))
            if key:
                first[key] = answer, amount
        for entry, taken in made:
            assert not entry.replayed
            self.expect(entry, taken)
        return multiple(*made)

    @rule(target=holds, amount=amounts, ttl=hours, who=either)
    def hold(self, amount, ttl, who):
        account, model = self.accounts[who], self.models[self.accounts[who].pk]
        if model.frozen:
            with pytest.raises(AccountFrozenError):
                account.hold_credits(amount, "Work", ttl=ttl)
            return multiple()
        picked = model.pick(amount)
        if isinstance(picked, Decimal):
            with pytest.raises(InsufficientCreditsError):
                account.hold_credits(amount, "Work", ttl=ttl)
            return multiple()
        return account.hold_credits(amount, "Work", ttl=ttl), model.hold(picked, ttl)

    @rule(target=uses, pair=holds, share=st.sampled_from([None, 0, "0.0001", "half"]))
    def capture(self, pair, share):
        hold, model = pair
        amount = model.amount if share is None else Decimal(0 if share == "half" else share)
        if share == "half":
            amount = (model.amount / 2).quantize(Decimal("0.0001"))
        with refused(HoldStateError, when=not model.open and amount != model.took):
            entry = hold.capture(None if share is None else amount)
        if not model.open:
            if amount == model.took:
                assert (-entry.amount if entry else 0) == amount
            return multiple()
        taken = self.models[hold.account_id].capture(model, amount)
        if not amount:
            assert entry is None
            return multiple()
        self.expect(entry, taken)
        return entry, taken

    @rule(target=uses, pair=st.one_of(st.none(), holds), amount=amounts, part=st.booleans())
    def settle(self, pair, amount, part):
        hold, model = pair or (None, None)
        if model and model.open and part:
            amount = (model.amount / 2).quantize(Decimal("0.0001"), ROUND_UP)
        if model and model.took is not None:
            return multiple()
        account = hold.account if hold else self.account
        taken, missing = self.models[account.pk].charge_finished_work(model, amount)
        entry = account.settle_credits(amount, "Work", hold=hold)
        assert entry.shortfall == missing
        self.expect(entry, taken)
        return entry, taken

    @rule(pair=holds, ttl=hours)
    def prolong(self, pair, ttl):
        hold, model = pair
        with refused(HoldStateError, when=not model.open):
            hold.prolong(ttl)
        if model.open:
            self.models[hold.account_id].prolong(model, ttl)

    @rule(pair=holds)
    def release(self, pair):
        hold, model = pair
        with refused(HoldStateError, when=not model.open):
            hold.release()
        if model.open:
            self.models[hold.account_id].release(model)

    @rule(pair=uses, share=st.sampled_from([None, "0.0001", 1, 1000]))
    def reverse(self, pair, share):
        entry, taken = pair
        amount = taken.left if share is None else Decimal(share)
        bad = amount > taken.left or not taken.left
        with refused(ReversalError, when=bad):
            entry.reverse(None if share is None else amount, reason="It failed")
        if not bad:
            self.models[entry.account_id].reverse(taken, amount)

    @rule(
        target=uses,
        pair=lots,
        amount=amounts,
        policy=st.sampled_from(["write_off", "overdraft", "freeze"]),
    )
    def revoke(self, pair, amount, policy):
        lot, model = pair
        taken, missing = self.models[lot.account_id].revoke(model, amount, policy)
        entry = ledger.revoke(lot=lot, amount=amount, reason="Refund", policy=policy)
        assert entry.shortfall == missing
        self.expect(entry, taken)
        return entry, taken

    @rule(target=lots, pair=lots, amount=st.one_of(st.none(), amounts), keyed=st.booleans())
    def transfer(self, pair, amount, keyed):
        lot, model = pair
        to = next(account for account in self.accounts if account.pk != lot.account_id)
        moved = self.models[lot.account_id].transfer(model, self.models[to.pk], amount)
        key = f"transfer {CreditTransaction.objects.count()}" if keyed else None
        arguments = {"lot": lot, "to": to, "amount": amount, "idempotency_key": key}
        with refused(InsufficientCreditsError, when=isinstance(moved, Decimal)):
            entry = ledger.transfer(**arguments, description="Merged")
        if moved is None:
            assert entry is None
        if moved is None or isinstance(moved, Decimal):
            return multiple()
        if key:
            again = ledger.transfer(**arguments, description="Merged")
            assert (again, again.replayed) == (entry, True)
        assert self.parts(entry) == [(model.number, moved.amount)]
        return lot.transfers.latest("pk"), moved

    @precondition(lambda self: self.model.frozen)
    @rule()
    def unfreeze(self):
        ledger.unfreeze(account=self.account)
        self.model.set_frozen(False)

    @rule(now=st.sampled_from([False, False, False, True]))
    def freeze(self, now):
        if now:
            ledger.freeze(account=self.account)
            self.model.set_frozen(True)

    @rule(target=lots, pair=lots)
    def convert(self, pair):
        lot, model = pair
        if model.credit_type != "subscription":
            return multiple()
        ledger.convert(lot=lot, description="Upgrade")
        return self.child(lot, self.models[lot.account_id].convert(model))

    @rule(target=lots, pair=lots, life=hours)
    def roll_over(self, pair, life):
        lot, model = pair
        if model.ends is None:
            return multiple()
        ends = max(model.begins, self.model.now) + life
        ledger.roll_over(lot=lot, expires_at=ends, description="Renewal")
        return self.child(lot, self.models[lot.account_id].roll_over(model, ends))

    def child(self, lot, model):
        return (lot.children.latest("pk"), model) if model else multiple()

    @rule(limit=st.integers(0, 50).map(Decimal), who=either)
    def set_overdraft_limit(self, limit, who):
        account, model = self.accounts[who], self.models[self.accounts[who].pk]
        debt = model.debt
        bad = debt is not None and debt.held - debt.remaining > limit
        with refused(InvalidAmountError, when=bad):
            ledger.set_overdraft_limit(account=account, limit=limit)
        if not bad:
            model.limit = limit

    @rule(by=hours)
    def time_passes(self, by):
        self.clock.move(by)
        for model in self.models.values():
            model.move(by)

    @rule()
    def sweep(self):
        ledger.expire_due()
        assert ledger.expire_due() == 0

    @precondition(lambda self: CreditTransaction.objects.exists())
    @rule()
    def rebuild(self):
        for account in self.accounts:
            assert ledger.rebuild(account) == []

    @invariant()
    def the_ledger_agrees_with_the_model(self):
        for account, model in zip(self.accounts, self.models.values(), strict=True):
            assert account.get_balance() == model.balance()
            assert account.get_available_balance() == model.available()
            assert account.get_balance_by_type() == model.by_type()
            assert model.available() >= -model.limit

    @invariant()
    def the_account_is_frozen_as_the_model_says(self):
        for key, model in self.models.items():
            status = CreditAccount.objects.values_list("status", flat=True).get(pk=key)
            assert status == ("frozen" if model.frozen else "active")

    @invariant()
    def the_journal_explains_every_figure(self):
        assert ledger.verify() == []
        with connection.cursor() as cursor:  # what a commit would check
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")

    @invariant()
    def holds_are_open_as_long_as_the_model_says(self):
        opened = CreditHold.objects.open().count()
        assert opened == sum(hold.open for model in self.models.values() for hold in model.holds)


@pytest.mark.django_db
def test_random_histories():
    run_state_machine_as_test(
        Ledger,
        settings=settings(
            max_examples=300 if THOROUGH else 12,
            stateful_step_count=50 if THOROUGH else 25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
