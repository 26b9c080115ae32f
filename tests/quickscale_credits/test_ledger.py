"""What each operation does, shown by stories of one account."""

from __future__ import annotations

from copy import copy
from datetime import timedelta
from decimal import Decimal
from functools import partial
from inspect import signature

import pytest
from asgiref.sync import async_to_sync
from django.db import transaction
from django.db.models import Sum
from django.db.models.functions import TruncMonth
from django.utils.dateparse import parse_datetime

from quickscale_credits import ledger, signals
from quickscale_credits.exceptions import (
    AccountClosedError,
    AccountFrozenError,
    HoldStateError,
    IdempotencyConflictError,
    InsufficientCreditsError,
    InvalidAmountError,
    InvalidRequestError,
    ReversalError,
)
from quickscale_credits.models import (
    CreditAccount,
    CreditAllocation,
    CreditEvent,
    CreditHold,
    CreditLot,
    CreditTransaction,
)
from quickscale_credits.testing import ServiceFactory
from tests.quickscale_credits.operations import OPERATIONS, Stage

DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def sound_ledger(account):
    yield
    assert ledger.verify() == []


def kinds(account):
    return list(account.transactions.order_by("sequence").values_list("kind", flat=True))


def parts(entry):
    """Return what a transaction gave to and took from each type of credits."""
    return {
        allocation.lot.credit_type: allocation.amount
        for allocation in entry.allocations.select_related("lot")
    }


def lot_of(entry):
    return entry.allocations.get().lot


def subscribe(account, amount, clock, days=30, **kwargs):
    return account.add_credits(
        amount,
        "Plan",
        credit_type="subscription",
        expires_at=clock.now + days * DAY,
        **kwargs,
    )


class TestAdding:
    def test_returns_the_transaction(self, account, make_user, clock):
        staff = make_user()
        entry = account.add_credits(
            "12.5", "A gift", credit_type="bonus", actor=staff, metadata={"why": "kindness"}
        )
        assert entry == CreditTransaction.objects.get()
        stored = CreditTransaction.objects.get()
        for field in CreditTransaction._meta.concrete_fields:
            assert getattr(entry, field.attname) == getattr(stored, field.attname), field.name
        assert (entry.kind, entry.amount, entry.balance_after) == ("grant", 12.5, 12.5)
        assert (entry.sequence, entry.actor, entry.created_at) == (1, staff, clock.now)
        assert entry.metadata == {"why": "kindness"}
        assert parts(entry) == {"bonus": Decimal("12.5")}

    def test_keeps_what_the_credits_were_paid_with(self, account, clock):
        period = (clock.now, clock.now + 30 * DAY)
        lot = lot_of(subscribe(account, 10, clock, cost=(1999, "EUR"), period=period))
        assert (lot.cost_amount, lot.cost_currency) == (1999, "eur")
        assert (lot.period_start, lot.period_end) == period

    def test_a_source_gives_credits_once(self, account):
        first = account.add_credits(100, "Bought", source=("checkout", "cs_1"))
        assert account.add_credits(100, "Again", source=("checkout", "cs_1")) == first
        assert account.get_balance() == 100

    def test_a_source_is_still_known_when_its_credits_have_ended(self, account, clock):
        ends = clock.now + DAY
        first = account.add_credits(
            5, "Trial", credit_type="trial", expires_at=ends, source=("t", 1)
        )
        clock.move(2 * DAY)
        again = account.add_credits(
            5, "Trial", credit_type="trial", expires_at=ends, source=("t", 1)
        )
        assert again == first

    @pytest.mark.parametrize(
        "other",
        [
            {"amount": 101},
            {"credit_type": "bonus"},
            {"credit_type": "bonus", "expires_at": 1},
        ],
        ids=["amount", "type", "end"],
    )
    def test_a_source_with_other_credits_is_a_conflict(self, account, clock, other):
        account.add_credits(100, "Bought", source=("checkout", "cs_1"))
        if "expires_at" in other:
            other = {**other, "expires_at": clock.now + DAY}
        request = {"amount": 100, "description": "Bought", "source": ("checkout", "cs_1"), **other}
        with pytest.raises(IdempotencyConflictError, match="checkout:cs_1"):
            account.add_credits(**request)
        assert account.get_balance() == 100

    def test_a_source_belongs_to_one_account(self, account, make_owner):
        account.add_credits(100, "Bought", source=("checkout", "cs_1"))
        other = CreditAccount.objects.for_owner(make_owner())
        with pytest.raises(IdempotencyConflictError):
            other.add_credits(100, "Bought", source=("checkout", "cs_1"))

    def test_credits_of_the_future_wait(self, account, clock):
        account.add_credits(10, "Next month", effective_at=clock.now + DAY)
        assert account.get_balance() == account.get_available_balance() == 0
        with pytest.raises(InsufficientCreditsError):
            account.consume_credits(1, "Too soon")
        clock.move(DAY)
        assert account.get_balance() == account.get_available_balance() == 10
        account.consume_credits(1, "In time")

    def test_a_period_that_is_paid_late_leaves_its_trace(self, account, clock):
        begins, ends = clock.now - 3 * DAY, clock.now - DAY
        late = {"effective_at": begins, "expires_at": ends, "period": (begins, ends)}
        granted = account.add_credits(100, "Late", credit_type="subscription", **late)
        assert account.get_balance() == 0
        lines = account.transactions.order_by("sequence").values_list("kind", "balance_after")
        assert list(lines) == [("grant", 100), ("expire", 0)]
        assert granted.kind == "grant"
        assert ledger.verify(account) == []

    def test_credits_that_have_ended_cannot_be_added(self, account, clock):
        for ends in (clock.now, clock.now - DAY):
            with pytest.raises(InvalidRequestError, match="expires_at"):
                account.add_credits(1, "Late", credit_type="bonus", expires_at=ends)
        with pytest.raises(InvalidRequestError, match="expires_at"):
            account.add_credits(
                1,
                "Backwards",
                credit_type="bonus",
                effective_at=clock.now + 2 * DAY,
                expires_at=clock.now + DAY,
            )

    def test_the_balance_stays_below_the_limit_of_its_column(self, account):
        account.add_credits("999999999999999.9999", "All of it")
        with pytest.raises(InvalidAmountError, match="balance"):
            account.add_credits("0.0001", "One too many")


class TestConsuming:
    def test_takes_by_priority_then_end_then_age(self, account, clock):
        account.add_credits(10, "Bought")
        account.add_credits(10, "Gift", credit_type="bonus")
        subscribe(account, 10, clock, days=30)
        sooner = lot_of(subscribe(account, 10, clock, days=20))
        trial = account.add_credits(
            10, "Trial", credit_type="trial", expires_at=clock.now + 25 * DAY
        )
        entry = account.consume_credits(15, "Work")
        lots = [allocation.lot for allocation in entry.allocations.order_by("id")]
        assert lots == [sooner, lot_of(trial)]
        entry = account.consume_credits(30, "More work")
        assert parts(entry) == {
            "trial": Decimal(-5),
            "subscription": Decimal(-10),
            "bonus": Decimal(-10),
            "payg": Decimal(-5),
        }

    def test_the_case_that_breaks_naive_ledgers(self, account, clock):
        subscribe(account, 1000, clock)
        account.add_credits(500, "Bought")
        account.consume_credits(800, "Work")
        clock.move(30 * DAY)
        assert account.get_available_balance() == 500
        subscribe(account, 1000, clock)
        assert account.get_available_balance() == 1500
        assert kinds(account) == ["grant", "grant", "consume", "expire", "grant"]

    def test_a_setting_changes_the_order(self, account, clock, settings):
        settings.QUICKSCALE_CREDITS_PRIORITIES = {"payg": 5}
        account.add_credits(10, "Bought")
        subscribe(account, 10, clock)
        assert parts(account.consume_credits(1, "Work")) == {"payg": Decimal(-1)}

    def test_too_few_credits(self, account):
        account.add_credits(10, "Bought")
        with pytest.raises(InsufficientCreditsError) as caught:
            account.consume_credits("10.0001", "Work")
        error = caught.value
        assert (error.available, error.required) == (10, Decimal("10.0001"))
        assert error.shortfall == Decimal("0.0001")
        assert account.get_balance() == 10

    def test_an_error_leaves_the_callers_transaction_and_due_expiries(self, account, clock):
        subscribe(account, 10, clock, days=1)
        clock.move(2 * DAY)
        with transaction.atomic():
            with pytest.raises(InsufficientCreditsError):
                account.consume_credits(1, "Work")
            account.add_credits(5, "Bought")
        assert kinds(account) == ["grant", "expire", "grant"]

    def test_a_rolled_back_caller_takes_nothing(self, account):
        account.add_credits(10, "Bought")
        with transaction.atomic():
            account.consume_credits(4, "Work")
            transaction.set_rollback(True)
        assert account.get_balance() == 10

    def test_knows_the_service(self, account):
        service = ServiceFactory()
        account.add_credits(10, "Bought")
        assert account.consume_credits(1, "Work", service=service).service == service
        assert service.transactions.count() == 1

    def test_the_smallest_amount(self, account):
        account.add_credits("0.0003", "Dust")
        for _ in range(3):
            account.consume_credits("0.0001", "Grain")
        assert account.get_balance() == 0

    def test_async_twins(self, account):
        async def story():
            await account.aadd_credits(10, "Bought")
            entry = await account.aconsume_credits(4, "Work")
            hold = await account.ahold_credits(2, "Long work", ttl=DAY)
            await hold.acapture(1)
            await entry.areverse(1, reason="Half of it failed")
            await account.aremove_credits(1, "Mistake")
            return await account.aget_balance(), await account.aget_available_balance()

        assert async_to_sync(story)() == (5, 5)


class TestReplay:
    def test_the_same_request_gives_the_same_answer(self, account):
        account.add_credits(10, "Bought", idempotency_key="a")
        first = account.consume_credits(4, "Work", idempotency_key="b", metadata={"try": 1})
        again = account.consume_credits("4.0", "Arbeit", idempotency_key="b", metadata={"try": 2})
        assert again == first
        assert again.metadata == {"try": 1}
        assert account.get_balance() == 6

    @pytest.mark.parametrize("other", [{"amount": 5}, {"service": True}])
    def test_another_request_with_the_key_is_a_conflict(self, account, other):
        account.add_credits(10, "Bought")
        account.consume_credits(4, "Work", idempotency_key="b")
        if "service" in other:
            other = {"service": ServiceFactory()}
        with pytest.raises(IdempotencyConflictError) as caught:
            account.consume_credits(
                **{"amount": 4, "description": "Work", "idempotency_key": "b", **other}
            )
        assert caught.value.key == "b"
        with pytest.raises(IdempotencyConflictError):
            account.remove_credits(4, "Work", idempotency_key="b")

    def test_what_is_part_of_a_request(self, account, clock):
        lot = lot_of(account.add_credits(10, "Bought", idempotency_key="a", source=("inv", 5)))
        again = account.add_credits(10, "Gekauft", idempotency_key="a", source=("inv", "5"))
        assert lot_of(again) == lot
        account.hold_credits(1, "Work", ttl=DAY, idempotency_key="h")
        ledger.revoke(lot=lot, amount=1, reason="Refund", idempotency_key="r")
        for other in (
            lambda: account.add_credits(10, "Bought", idempotency_key="a", cost=(5, "eur")),
            lambda: account.add_credits(10, "Bought", idempotency_key="a", priority=1),
            lambda: account.hold_credits(1, "Work", ttl=2 * DAY, idempotency_key="h"),
            lambda: ledger.revoke(
                lot=lot, amount=1, reason="Refund", idempotency_key="r", policy="freeze"
            ),
        ):
            with pytest.raises(IdempotencyConflictError):
                other()

    def test_a_key_belongs_to_its_account(self, account, make_owner):
        other = CreditAccount.objects.for_owner(make_owner())
        entries = [a.add_credits(1, "Gift", idempotency_key="same") for a in (account, other)]
        assert entries[0] != entries[1]

    def test_returns_even_if_it_would_be_refused_now(self, account):
        account.add_credits(4, "Bought")
        first = account.consume_credits(4, "Work", idempotency_key="b")
        ledger.freeze(account=account)
        assert account.consume_credits(4, "Work", idempotency_key="b") == first

    def test_every_write_says_whether_it_was_written_before(self, db):
        by_source = {"change_allotment", "convert", "roll_over", "schedule_allotment"}
        by_source |= {"spread_credits"}
        repeated = set()
        for module, name, arguments in OPERATIONS:
            function, (args, kwargs) = getattr(module, name), arguments(Stage())
            if "idempotency_key" in signature(function).parameters:
                kwargs["idempotency_key"] = "k"
            elif name not in by_source:
                continue
            first, again = function(*args, **kwargs), function(*args, **kwargs)
            assert again == first
            assert (first.replayed, again.replayed) == (False, True), name
            repeated.add(name)
        assert len(repeated) >= len(by_source) + 6
        spend = {"account": Stage().account, "amount": 1, "description": "x"}
        first, again = ledger.consume_many([{**spend, "idempotency_key": "k"}] * 2)
        assert again == first
        assert (first.replayed, again.replayed) == (False, True)


class TestMany:
    def test_each_succeeds_or_fails_alone(self, account, make_owner):
        other = CreditAccount.objects.for_owner(make_owner())
        account.add_credits(5, "Bought")
        other.add_credits(1, "Bought")
        answers = ledger.consume_many(
            [
                {"account": other, "amount": 1, "description": "Fits"},
                {"account": account, "amount": 3, "description": "Fits", "idempotency_key": "k"},
                {"account": account, "amount": 3, "description": "Too much"},
                {"account": account, "amount": 0.5, "description": "A float"},
                {"account": account, "amount": 3, "description": "Fits", "idempotency_key": "k"},
                {"account": account, "amount": 2, "description": "Fits"},
            ]
        )
        assert [type(answer).__name__ for answer in answers] == [
            "CreditTransaction",
            "CreditTransaction",
            "InsufficientCreditsError",
            "InvalidAmountError",
            "CreditTransaction",
            "CreditTransaction",
        ]
        assert answers[1] == answers[4]
        assert answers[0].account == other
        assert account.get_balance() == other.get_balance() == 0

    def test_nothing_to_do(self, account):
        assert ledger.consume_many([]) == []


class TestRemoving:
    def test_is_an_adjustment_also_of_a_frozen_account(self, account):
        account.add_credits(10, "Bought")
        ledger.freeze(account=account)
        entry = account.remove_credits(4, "Given by mistake")
        assert (entry.kind, entry.amount) == ("adjust", -4)
        with pytest.raises(InsufficientCreditsError):
            account.remove_credits(7, "Too much")


class TestExpiry:
    def test_reads_are_right_before_anything_is_posted(self, account, clock):
        subscribe(account, 10, clock, days=5)
        account.add_credits(3, "Bought")
        assert account.get_expiring_credits() == 10
        assert account.get_expiring_credits(within=4 * DAY) == 0
        clock.move(5 * DAY)
        assert account.get_balance() == account.get_available_balance() == 3
        assert account.get_balance_by_type() == {
            "subscription": 0,
            "payg": 3,
            "trial": 0,
            "bonus": 0,
            "adjustment": 0,
        }
        assert account.get_expiring_credits() == 0
        assert kinds(account) == ["grant", "grant"]

    def test_each_lot_expires_by_a_transaction_of_its_own(self, account, clock):
        subscribe(account, 10, clock, days=1)
        subscribe(account, 20, clock, days=2)
        clock.move(3 * DAY)
        assert ledger.expire_due() == 1
        assert ledger.expire_due() == 0
        assert [
            (entry.amount, entry.balance_after)
            for entry in account.transactions.filter(kind="expire")
        ] == [(-20, 0), (-10, 20)]

    def test_the_sweep_touches_a_limited_number_of_accounts(self, account, clock, make_owner):
        accounts = [account, *(CreditAccount.objects.for_owner(make_owner()) for _ in range(4))]
        for each in accounts:
            subscribe(each, 1, clock, days=1)
        clock.move(DAY)
        assert [ledger.expire_due(limit=3), ledger.expire_due(limit=3)] == [3, 2]

    def test_the_sweep_continues_in_parts_and_skips_what_it_cannot_post(self, clock, make_owner):
        accounts = [CreditAccount.objects.for_owner(make_owner()) for _ in range(103)]
        for number, each in enumerate(accounts):
            subscribe(each, 1, clock, days=1 + number)
        corrupt = [each.pk for each in accounts[:2]]
        CreditAccount.objects.filter(pk__in=corrupt).update(posted=0)
        clock.move(104 * DAY)
        assert ledger.sweep() == ledger.Sweep(101, tuple(corrupt), 0)
        CreditAccount.objects.filter(pk__in=corrupt).update(posted=1)
        assert ledger.expire_due() == 2

    def test_the_sweep_announces_credits_of_a_limited_number_of_accounts(
        self, account, clock, make_owner
    ):
        for each in (account, CreditAccount.objects.for_owner(make_owner())):
            subscribe(each, 1, clock, days=1)
        assert [ledger.sweep(limit=1).announced for _ in range(3)] == [1, 1, 0]

    def test_an_account_says_when_something_is_due(self, account, clock):
        def due():
            account.refresh_from_db()
            return account.next_due_at and (account.next_due_at - clock.now) / DAY

        account.add_credits(1, "Bought")
        assert due() is None
        subscribe(account, 1, clock, days=10)
        subscribe(account, 1, clock, days=5)
        assert due() == 5
        account.hold_credits(1, "Work", ttl=DAY)
        assert due() == 1
        clock.move(6 * DAY)
        ledger.expire_due()
        assert due() == 4


class TestHolds:
    def test_hold_and_capture(self, account):
        account.add_credits(10, "Bought")
        service = ServiceFactory()
        hold = account.hold_credits(6, "Work", ttl=DAY, service=service, metadata={"job": 7})
        assert (account.get_balance(), account.get_available_balance()) == (10, 4)
        with pytest.raises(InsufficientCreditsError) as caught:
            account.consume_credits(5, "Other work")
        assert caught.value.available == 4
        entry = hold.capture()
        assert (entry.kind, entry.amount, entry.hold) == ("consume", -6, hold)
        assert (entry.service, entry.metadata, entry.description) == (service, {"job": 7}, "Work")
        assert (hold.status, hold.captured, hold.closed_at) == ("captured", 6, entry.created_at)
        assert account.get_balance() == account.get_available_balance() == 4

    def test_capture_of_a_part_frees_the_rest(self, account, clock):
        subscribe(account, 5, clock)
        account.add_credits(5, "Bought")
        hold = account.hold_credits(8, "Work", ttl=DAY)
        assert parts(hold.capture("5.5")) == {
            "subscription": Decimal(-5),
            "payg": Decimal("-0.5"),
        }
        assert account.get_available_balance() == Decimal("4.5")

    def test_capture_of_nothing(self, account):
        account.add_credits(5, "Bought")
        hold = account.hold_credits(5, "Work", ttl=DAY)
        assert hold.capture(0) is None
        assert (hold.status, hold.captured) == ("captured", 0)
        assert account.get_available_balance() == 5
        assert kinds(account) == ["grant"]

    def test_capture_of_more_than_was_held(self, account):
        account.add_credits(10, "Bought")
        hold = account.hold_credits(5, "Work", ttl=DAY)
        with pytest.raises(InsufficientCreditsError) as caught:
            hold.capture(6)
        assert (caught.value.available, caught.value.required) == (5, 6)
        assert hold.capture(5)

    def test_release(self, account):
        account.add_credits(5, "Bought")
        hold = account.hold_credits(5, "Work", ttl=DAY)
        assert hold.release() is hold
        assert (hold.status, account.get_available_balance()) == ("released", 5)
        assert kinds(account) == ["grant"]

    @pytest.mark.parametrize(
        ("end", "status"), [("capture", "captured"), ("release", "released"), (None, "expired")]
    )
    def test_ends_once(self, account, clock, end, status):
        account.add_credits(5, "Bought")
        hold = account.hold_credits(5, "Work", ttl=DAY)
        if end:
            getattr(hold, end)()
        else:
            clock.move(DAY)
        for again in (partial(hold.capture, 4), hold.release, partial(hold.prolong, DAY)):
            with pytest.raises(HoldStateError) as caught:
                again()
            assert caught.value.status == status

    @pytest.mark.parametrize("amount", [None, 2, 0])
    def test_the_same_capture_again_returns_the_first(self, account, amount):
        account.add_credits(5, "Bought")
        hold = account.hold_credits(5, "Work", ttl=DAY)
        stale = CreditHold.objects.get(pk=hold.pk)
        first = hold.capture(amount)
        again = stale.capture(amount)
        assert again == first
        if first:
            assert (first.replayed, again.replayed) == (False, True)
        assert (stale.status, stale.captured) == ("captured", hold.captured)
        assert account.get_balance() == 5 - (5 if amount is None else amount)
        with pytest.raises(HoldStateError):
            stale.capture(3)

    @pytest.mark.parametrize("end", ["release", "timeout"])
    def test_without_a_capture_its_key_is_free_again(self, account, clock, end):
        account.add_credits(5, "Bought")
        first = account.hold_credits(2, "Work", ttl=DAY, idempotency_key="k")
        assert account.hold_credits(2, "Work", ttl=DAY, idempotency_key="k").replayed
        first.release() if end == "release" else clock.move(DAY)
        second = account.hold_credits(3, "Other work", ttl=DAY, idempotency_key="k")
        assert second != first
        assert not second.replayed
        second.capture()
        assert account.hold_credits(3, "Other work", ttl=DAY, idempotency_key="k") == second

    def test_can_be_prolonged_but_never_shortened(self, account, clock):
        account.add_credits(5, "Bought")
        hold = account.hold_credits(5, "Work", ttl=DAY)
        clock.move(DAY / 2)
        assert hold.prolong(DAY) is hold
        assert hold.expires_at == clock.now + DAY
        hold.prolong(DAY / 4)
        assert hold.expires_at == clock.now + DAY
        clock.move(DAY * 3 / 4)
        assert ledger.expire_due() == 1  # its first end; nothing is due yet
        assert hold.capture().amount == -5

    def test_times_out_for_readers_at_once(self, account, clock):
        account.add_credits(5, "Bought")
        hold = account.hold_credits(4, "Work", ttl=DAY)
        clock.move(DAY)
        assert account.get_available_balance() == 5
        assert not account.holds.open().exists()
        account.consume_credits(5, "Other work")
        hold.refresh_from_db()
        assert hold.status == "expired"

    def test_pins_credits_beyond_the_end_of_their_lot(self, account, clock):
        subscribe(account, 10, clock, days=1)
        hold = account.hold_credits(6, "Work", ttl=3 * DAY)
        clock.move(2 * DAY)
        assert (account.get_balance(), account.get_available_balance()) == (6, 0)
        ledger.expire_due()
        assert (account.get_balance(), account.get_available_balance()) == (6, 0)
        hold.capture(4)
        assert account.get_balance() == 0
        assert kinds(account) == ["grant", "expire", "consume", "expire"]

    def test_released_after_the_end_of_the_lot_they_expire(self, account, clock):
        subscribe(account, 10, clock, days=1)
        hold = account.hold_credits(10, "Work", ttl=3 * DAY)
        clock.move(2 * DAY)
        hold.release()
        assert kinds(account) == ["grant", "expire"]

    def test_a_pinned_lot_ends_with_its_hold(self, account, clock):
        subscribe(account, 10, clock, days=1)
        account.hold_credits(10, "Work", ttl=3 * DAY)
        clock.move(4 * DAY)
        assert account.get_balance() == 0
        assert ledger.expire_due() == 1
        assert kinds(account) == ["grant", "expire"]

    def test_replay(self, account):
        account.add_credits(10, "Bought")
        hold = account.hold_credits(4, "Work", ttl=DAY, idempotency_key="h")
        again = account.hold_credits(4, "Work", ttl=DAY, idempotency_key="h")
        assert again == hold
        assert (hold.replayed, again.replayed) == (False, True)
        with pytest.raises(IdempotencyConflictError):
            account.hold_credits(5, "Work", ttl=DAY, idempotency_key="h")
        assert account.get_available_balance() == 6


class TestSaving:
    """Saving a stale instance overwrites no figure of the ledger."""

    def test_figures_of_accounts_lots_and_holds_stay(self, account):
        lot = lot_of(account.add_credits(10, "Bought"))
        hold = account.hold_credits(4, "Work", ttl=DAY)
        for row in (account, lot, hold):
            with pytest.raises(TypeError):
                row.save()

    def test_the_threshold_has_a_setter(self, account):
        ledger.set_low_balance(account=account, threshold="2.5")
        assert CreditAccount.objects.get().low_balance_threshold == Decimal("2.5")
        assert ledger.set_low_balance(account=account, threshold=None) == account
        assert CreditAccount.objects.get().low_balance_threshold is None


class TestReversal:
    def test_gives_back_to_the_same_lots_the_last_first(self, account, clock):
        subscribe(account, 5, clock)
        account.add_credits(5, "Bought")
        entry = account.consume_credits(8, "Work")
        first = entry.reverse(4, reason="A part failed")
        assert (first.kind, first.reverses) == ("reverse", entry)
        assert parts(first) == {"payg": Decimal(3), "subscription": Decimal(1)}
        rest = entry.reverse(reason="The rest failed too")
        assert parts(rest) == {"subscription": Decimal(4)}
        assert account.get_balance_by_type()["subscription"] == 5

    def test_never_more_than_was_taken(self, account):
        account.add_credits(10, "Bought")
        entry = account.consume_credits(5, "Work")
        entry.reverse(3, reason="A part failed")
        with pytest.raises(ReversalError) as caught:
            entry.reverse(3, reason="Too much")
        assert (caught.value.available, caught.value.required) == (2, 3)
        entry.reverse(2, reason="The rest")
        with pytest.raises(ReversalError):
            entry.reverse(reason="Twice")
        assert account.get_balance() == 10

    def test_only_what_took_credits(self, account):
        entry = account.add_credits(10, "Bought")
        with pytest.raises(ReversalError):
            entry.reverse(reason="Nothing was taken")

    def test_into_a_lot_that_has_ended(self, account, clock):
        subscribe(account, 10, clock, days=1)
        entry = account.consume_credits(8, "Work")
        clock.move(2 * DAY)
        entry.reverse(reason="It failed")
        assert account.get_balance() == 0
        history = account.transactions.order_by("sequence").values_list("kind", "balance_after")
        assert list(history) == [
            ("grant", 10),
            ("consume", 2),
            ("expire", 0),
            ("reverse", 8),
            ("expire", 0),
        ]

    def test_into_a_lot_that_was_used_up(self, account, clock):
        subscribe(account, 10, clock, days=1)
        entry = account.consume_credits(10, "Work")
        subscribe(account, 1, clock, days=9)
        ledger.expire_due()
        entry.reverse(reason="It failed")
        clock.move(2 * DAY)
        assert account.get_balance() == 1
        assert ledger.expire_due() == 1

    def test_replay(self, account):
        account.add_credits(10, "Bought")
        entry = account.consume_credits(5, "Work")
        first = entry.reverse(2, reason="Sorry", idempotency_key="r")
        assert entry.reverse(2, reason="Sorry", idempotency_key="r") == first
        assert account.get_balance() == 7

    def test_of_a_capture(self, account):
        account.add_credits(10, "Bought")
        entry = account.hold_credits(5, "Work", ttl=DAY).capture(3)
        entry.reverse(reason="It failed later")
        assert account.get_available_balance() == 10


class TestRevocation:
    def test_takes_from_the_lot_that_was_paid_for(self, account, clock):
        subscribe(account, 5, clock)
        lot = lot_of(account.add_credits(10, "Bought"))
        entry = ledger.revoke(lot=lot, amount=4, reason="Refund")
        assert (entry.kind, entry.amount, entry.shortfall) == ("revoke", -4, 0)
        assert account.get_balance_by_type()["payg"] == 6

    def test_records_what_it_could_not_take(self, account):
        lot = lot_of(account.add_credits(10, "Bought"))
        account.consume_credits(5, "Work")
        account.hold_credits(2, "Work", ttl=DAY)
        entry = ledger.revoke(lot=lot, amount=10, reason="Refund", idempotency_key="refund:1")
        assert (entry.amount, entry.shortfall) == (-3, 7)
        again = ledger.revoke(lot=lot, amount=10, reason="Refund", idempotency_key="refund:1")
        assert again == entry
        account.refresh_from_db()
        assert account.status == "active"

    def test_when_nothing_is_left(self, account):
        lot = lot_of(account.add_credits(10, "Bought"))
        account.consume_credits(10, "Work")
        entry = ledger.revoke(lot=lot, amount=10, reason="Refund")
        assert (entry.amount, entry.shortfall) == (0, 10)
        assert entry.allocations.get().lot == lot

    def test_may_freeze_the_account(self, account, settings):
        settings.QUICKSCALE_CREDITS_SHORTFALL_POLICY = "freeze"
        lot = lot_of(account.add_credits(10, "Bought"))
        ledger.revoke(lot=lot, amount=5, reason="Half of the refund")
        account.consume_credits(5, "Work")
        ledger.revoke(lot=lot, amount=5, reason="The other half")
        with pytest.raises(AccountFrozenError):
            account.consume_credits(1, "Work")

    def test_may_use_the_overdraft(self, account):
        ledger.set_overdraft_limit(account=account, limit=6)
        lot = lot_of(account.add_credits(10, "Bought"))
        account.consume_credits(8, "Work")
        entry = ledger.revoke(lot=lot, amount=10, reason="Refund", policy="overdraft")
        assert (entry.amount, entry.shortfall) == (-8, 2)
        assert parts(entry) == {"payg": -2, "overdraft": -6}
        assert account.get_balance() == -6

    def test_is_given_back_when_a_dispute_is_won(self, account):
        lot = lot_of(account.add_credits(10, "Bought"))
        account.consume_credits(4, "Work")
        entry = ledger.revoke(lot=lot, amount=10, reason="Dispute")
        entry.reverse(reason="The dispute was won")
        assert account.get_balance() == 6


class TestConversion:
    def test_turns_what_is_left_into_credits_without_end(self, account, clock):
        lot = lot_of(subscribe(account, 10, clock))
        account.consume_credits(3, "Work")
        entry = ledger.convert(lot=lot, description="Upgrade")
        assert (entry.kind, entry.amount, entry.balance_after) == ("convert", 0, 7)
        assert parts(entry) == {"subscription": -7, "payg": 7}
        assert CreditLot.objects.get(parent=lot).amount == 7
        clock.move(31 * DAY)
        assert account.get_balance() == 7

    def test_happens_once(self, account, clock):
        lot = lot_of(subscribe(account, 10, clock))
        spent = account.consume_credits(3, "Work")
        entry = ledger.convert(lot=lot, description="Upgrade")
        spent.reverse(reason="It failed")
        assert ledger.convert(lot=lot, description="Upgrade") == entry
        assert account.get_balance_by_type()["payg"] == 7

    def test_of_nothing(self, account, clock):
        lot = lot_of(subscribe(account, 10, clock, days=1))
        clock.move(DAY)
        assert ledger.convert(lot=lot, description="Upgrade") is None
        assert account.get_balance() == 0

    def test_only_of_a_subscription(self, account):
        lot = lot_of(account.add_credits(10, "Gift", credit_type="bonus"))
        with pytest.raises(InvalidRequestError):
            ledger.convert(lot=lot, description="Laundry")

    def test_roll_over_with_a_cap(self, account, clock):
        lot = lot_of(subscribe(account, 10, clock, days=1))
        ends = clock.now + 31 * DAY
        entry = ledger.roll_over(lot=lot, expires_at=ends, cap=4, description="Renewal")
        assert ledger.roll_over(lot=lot, expires_at=ends, cap=4, description="Renewal") == entry
        clock.move(DAY)
        assert account.get_balance() == 4
        clock.move(30 * DAY)
        assert account.get_balance() == 0

    def test_the_source_of_a_conversion_is_reserved(self, account, clock, make_owner):
        lot = lot_of(subscribe(account, 10, clock))
        other = CreditAccount.objects.for_owner(make_owner())
        with pytest.raises(InvalidRequestError, match="source"):
            other.add_credits(5, "Gift", source=("ledger:conversion", str(lot.pk)))
        other.add_credits(5, "Gift", source=("conversion", str(lot.pk)))
        assert ledger.convert(lot=lot, description="Upgrade").account == account

    def test_roll_over_of_credits_that_start_later(self, account, clock):
        begins = clock.now + 10 * DAY
        lot = lot_of(subscribe(account, 10, clock, effective_at=begins))
        with pytest.raises(InvalidRequestError, match="expires_at"):
            ledger.roll_over(lot=lot, expires_at=clock.now + 5 * DAY, description="Renewal")

    def test_held_credits_stay_where_they_are(self, account, clock):
        lot = lot_of(subscribe(account, 10, clock))
        hold = account.hold_credits(4, "Work", ttl=DAY)
        assert parts(ledger.convert(lot=lot, description="Upgrade"))["payg"] == 6
        assert parts(hold.capture()) == {"subscription": -4}


class TestOverdraft:
    def test_comes_after_all_credits(self, account):
        ledger.set_overdraft_limit(account=account, limit=5)
        account.add_credits(10, "Bought")
        assert parts(account.consume_credits(12, "Work")) == {"payg": -10, "overdraft": -2}
        assert account.get_balance() == account.get_available_balance() == -2
        assert account.get_balance_by_type()["overdraft"] == -2
        with pytest.raises(InsufficientCreditsError) as caught:
            account.consume_credits(4, "Work")
        assert caught.value.available == 3

    def test_new_credits_pay_it_back(self, account):
        ledger.set_overdraft_limit(account=account, limit=5)
        account.consume_credits(5, "Work")
        account.add_credits(2, "Bought")
        assert account.get_balance_by_type()["overdraft"] == -3
        account.add_credits(10, "Bought")
        assert account.get_balance() == account.get_balance_by_type()["payg"] == 7
        assert kinds(account) == ["consume", "grant", "convert", "grant", "convert"]

    def test_can_be_held(self, account):
        ledger.set_overdraft_limit(account=account, limit=5)
        hold = account.hold_credits(4, "Work", ttl=DAY)
        with pytest.raises(InsufficientCreditsError):
            account.consume_credits(2, "Work")
        hold.capture(3)
        assert account.get_available_balance() == -3

    def test_reversed_after_it_was_paid_back(self, account, clock):
        ledger.set_overdraft_limit(account=account, limit=5)
        entry = account.consume_credits(5, "Work")
        plan = lot_of(subscribe(account, 3, clock))
        payment = account.transactions.get(kind="convert")
        back = entry.reverse(reason="It failed")
        assert parts(back) == {"overdraft": 5}
        undone = payment.reversals.get()
        assert (undone.kind, undone.amount) == ("convert", 0)
        assert parts(undone) == {"subscription": 3, "overdraft": -3}
        plan.refresh_from_db()
        assert account.get_balance() == plan.remaining == 3

    def test_a_refund_is_not_dodged_by_way_of_the_overdraft(self, account):
        """Credits that become free go back to the refunded lot and are taken there."""
        ledger.set_overdraft_limit(account=account, limit=100)
        used = account.consume_credits(30, "Work")
        bought = lot_of(account.add_credits(100, "Bought"))
        refund = ledger.revoke(lot=bought, amount=100, reason="Refund")
        assert (refund.amount, refund.shortfall) == (-70, 30)
        used.reverse(reason="It failed")
        assert account.get_balance() == 0
        bought.refresh_from_db()
        assert (bought.remaining, bought.owed, bought.lost) == (0, 0, 100)

    def test_no_credits_that_end_become_permanent_by_way_of_the_overdraft(self, account, clock):
        ledger.set_overdraft_limit(account=account, limit=100)
        used = account.consume_credits(30, "Work")
        subscribe(account, 100, clock, days=28)
        clock.move(28 * DAY)
        used.reverse(reason="It failed")
        assert account.get_balance() == 0
        assert account.lots.filter(expires_at=None).get().credit_type == "overdraft"

    def test_payments_are_undone_the_newest_first_each_as_far_as_it_went(self, account, clock):
        ledger.set_overdraft_limit(account=account, limit=100)
        used = account.consume_credits(30, "Work")
        account.add_credits(10, "First")
        account.add_credits(15, "Second", credit_type="bonus")
        account.add_credits(50, "Third")
        lots = account.lots.exclude(credit_type="overdraft").order_by("pk")
        left = []
        for amount in (3, 10, 17):
            used.reverse(amount, reason="It failed")
            left.append([int(lot.remaining) for lot in lots.all()])
        assert left == [[0, 0, 48], [0, 8, 50], [10, 15, 50]]

    def test_reversed_credits_pay_it_back(self, account):
        ledger.set_overdraft_limit(account=account, limit=5)
        account.add_credits(5, "Bought")
        entry = account.consume_credits(5, "Work")
        account.consume_credits(5, "More work")
        entry.reverse(reason="It failed")
        assert account.get_balance() == 0
        assert "overdraft" not in account.get_balance_by_type()

    @pytest.mark.parametrize("end", ["capture", "release"])
    def test_credits_that_a_hold_frees_pay_it_back(self, account, end):
        ledger.set_overdraft_limit(account=account, limit=20)
        account.add_credits(10, "Bought")
        hold = account.hold_credits(10, "Work", ttl=DAY)
        account.consume_credits(4, "Work")
        hold.release() if end == "release" else hold.capture(2)
        assert "overdraft" not in account.get_balance_by_type()

    def test_the_limit_forgets_what_free_credits_pay_back(self, account, clock):
        ledger.set_overdraft_limit(account=account, limit=5)
        account.consume_credits(5, "Work")
        account.add_credits(5, "Next month", credit_type="bonus", effective_at=clock.now + DAY)
        clock.move(DAY)
        assert ledger.set_overdraft_limit(account=account, limit=0).overdraft_limit == 0

    def test_the_limit_forgets_holds_that_timed_out(self, account, clock):
        ledger.set_overdraft_limit(account=account, limit=5)
        account.hold_credits(5, "Work", ttl=DAY)
        clock.move(DAY)
        assert ledger.set_overdraft_limit(account=account, limit=0).overdraft_limit == 0

    def test_the_limit_is_not_set_below_what_is_used(self, account):
        ledger.set_overdraft_limit(account=account, limit=5)
        account.consume_credits(4, "Work")
        with pytest.raises(InvalidAmountError, match="limit"):
            ledger.set_overdraft_limit(account=account, limit=3)
        assert ledger.set_overdraft_limit(account=account, limit=4).overdraft_limit == 4


class TestStatus:
    def test_a_frozen_account_takes_in_and_lets_nothing_out(self, account):
        account.add_credits(10, "Bought")
        hold = account.hold_credits(2, "Work", ttl=DAY)
        assert ledger.freeze(account=account).status == "frozen"
        for refused in (
            lambda: account.consume_credits(1, "Work"),
            lambda: account.hold_credits(1, "Work", ttl=DAY),
        ):
            with pytest.raises(AccountFrozenError) as caught:
                refused()
            assert caught.value.status == "frozen"
        account.add_credits(5, "Bought")
        hold.capture()
        ledger.unfreeze(account=account)
        account.consume_credits(1, "Work")

    def test_a_closed_account_takes_part_in_nothing(self, account):
        account.add_credits(10, "Bought")
        entry = account.consume_credits(1, "Work")
        hold = account.hold_credits(2, "Work", ttl=DAY)
        with pytest.raises(HoldStateError):
            ledger.close(account=account)
        hold.release()
        assert ledger.close(account=account).status == "closed"
        for refused in (
            lambda: account.add_credits(1, "Bought"),
            lambda: account.consume_credits(1, "Work"),
            lambda: account.remove_credits(1, "Mistake"),
            lambda: account.hold_credits(1, "Work", ttl=DAY),
            lambda: entry.reverse(reason="It failed"),
            lambda: ledger.unfreeze(account=account),
        ):
            with pytest.raises(AccountClosedError):
                refused()


def test_each_write_keeps_its_actor_and_metadata(account, clock, member):
    noted = {"actor": member, "metadata": {"ticket": 5}}
    end = clock.now + DAY
    of_account = {"account": account, "description": "Work", **noted}
    bought = ledger.add_credits(
        **of_account, amount=100, credit_type="subscription", expires_at=end
    )
    lot = bought.allocations.get().lot
    used = ledger.consume_credits(**of_account, amount=5)
    removed = ledger.remove_credits(**of_account, amount=5)
    hold = ledger.hold_credits(**of_account, amount=5, ttl=DAY)
    assert all(row.account is account for row in (bought, used, removed, hold))
    rows = [
        *(bought, used, removed, hold),
        ledger.settle(**of_account, amount=1),
        ledger.reverse(transaction=used, reason="It failed", **noted),
        ledger.revoke(lot=lot, amount=1, reason="Refund", **noted),
        ledger.roll_over(lot=lot, expires_at=end + DAY, cap=1, description="Renewal", **noted),
        ledger.convert(lot=lot, cap=1, description="Upgrade", **noted),
    ]
    for row in rows:
        row.refresh_from_db()
        assert (row.actor_id, row.metadata) == (member.pk, {"ticket": 5})
    made = account.lots.exclude(pk=lot.pk).order_by("pk").values_list("source_type", flat=True)
    assert list(made) == ["ledger:rollover", "ledger:conversion"]


class TestOpening:
    def test_is_only_for_an_owner_of_the_model(self, db):
        with pytest.raises(ValueError, match="no owner"):
            ledger.open_account(owner=ServiceFactory.build(name="no owner"))

    def test_makes_one_account(self, account, owner):
        assert CreditAccount.objects.for_owner(owner) == account
        assert ledger.open_account(owner=owner) == account

    def test_settings_say_how_it_begins(self, owner, settings):
        CreditAccount.objects.all().delete()
        settings.QUICKSCALE_CREDITS_STARTING_BALANCE = 100
        settings.QUICKSCALE_CREDITS_LOW_BALANCE = 10
        account = CreditAccount.objects.for_owner(owner)
        assert ledger.open_account(owner=owner) == account
        assert account.get_balance_by_type()["bonus"] == 100
        assert account.transactions.get().description == "Starting balance"
        assert account.low_balance_threshold == 10
        settings.QUICKSCALE_CREDITS_STARTING_BALANCE = 200
        ledger.open_account(owner=owner)
        assert account.get_balance() == 100

    def test_a_later_setting_gives_an_old_account_nothing(self, account, owner, settings):
        settings.QUICKSCALE_CREDITS_STARTING_BALANCE = 100
        assert ledger.open_account(owner=owner).get_balance() == 0


class TestEvents:
    def events(self, account):
        return list(account.events.order_by("id").values_list("kind", flat=True))

    def test_each_transaction_has_an_event(self, account, clock):
        lot = lot_of(subscribe(account, 10, clock, days=1))
        account.consume_credits(1, "Work").reverse(reason="It failed")
        account.remove_credits(1, "Mistake")
        ledger.revoke(lot=lot, amount=1, reason="Refund")
        ledger.convert(lot=lot, cap=1, description="Upgrade")
        clock.move(2 * DAY)
        ledger.expire_due()
        assert self.events(account) == [
            "granted",
            "consumed",
            "reversed",
            "adjusted",
            "revoked",
            "converted",
            "expired",
        ]
        event = CreditEvent.objects.get(kind="consumed")
        entry = CreditTransaction.objects.get(kind="consume")
        assert event.payload == {"transaction": entry.pk, "amount": "-1.0000", "balance": "9.0000"}
        assert event.created_at == event.next_attempt_at == entry.created_at

    def test_a_low_balance_is_reported_once(self, account):
        ledger.set_low_balance(account=account, threshold=5)
        account.add_credits(3, "Bought")
        account.consume_credits(1, "Work")
        account.consume_credits(1, "Work")
        account.add_credits(10, "Bought")
        account.consume_credits(6, "Work")
        assert self.events(account) == [
            "granted",
            "consumed",
            "low_balance",
            "consumed",
            "granted",
            "consumed",
            "low_balance",
        ]

    def test_an_empty_account_is_reported(self, account):
        account.add_credits(3, "Bought")
        account.consume_credits(3, "Work")
        assert self.events(account) == ["granted", "consumed", "depleted"]


class TestSettlement:
    """The charge for finished work, which is not refused for lack of credits."""

    def test_takes_the_hold_then_free_credits_then_the_overdraft(self, account, clock):
        subscribe(account, 4, clock)
        account.add_credits(6, "Bought")
        ledger.set_overdraft_limit(account=account, limit=3)
        hold = account.hold_credits(5, "Work", ttl=DAY)
        service = ServiceFactory()
        entry = account.settle_credits(12, "Work", hold=hold, service=service, metadata={"a": 1})
        assert parts(entry) == {"subscription": -4, "payg": -6, "overdraft": -2}
        assert (entry.kind, entry.amount, entry.shortfall) == ("consume", -12, 0)
        assert (entry.hold, entry.service, entry.metadata) == (hold, service, {"a": 1})
        assert (hold.status, hold.captured) == ("captured", 5)
        assert account.get_available_balance() == -2

    @pytest.mark.parametrize("amount", [0, 2, 5])
    def test_frees_what_the_hold_does_not_need(self, account, amount):
        account.add_credits(10, "Bought")
        hold = account.hold_credits(5, "Work", ttl=DAY)
        entry = account.settle_credits(amount, "Work", hold=hold)
        assert (entry.amount if entry else 0) == -amount
        assert (hold.status, hold.captured) == ("captured", amount)
        assert account.get_available_balance() == 10 - amount

    @pytest.mark.parametrize("status", ["active", "frozen"])
    def test_keeps_what_is_missing_as_its_shortfall(self, account, status):
        account.add_credits(5, "Bought")
        hold = account.hold_credits(2, "Work", ttl=DAY)
        if status == "frozen":
            ledger.freeze(account=account)
        entry = account.settle_credits(9, "Work", hold=hold)
        assert (entry.amount, entry.shortfall) == (-5, 4)
        assert account.get_available_balance() == 0
        assert entry.reverse(reason="It failed").amount == 5

    @pytest.mark.parametrize("closed", [False, True])
    def test_of_an_account_without_credits_is_a_line_of_nothing(self, account, closed):
        if closed:
            ledger.close(account=account)
        entry = account.settle_credits(9, "Work")
        assert (entry.amount, entry.shortfall, entry.balance_after) == (0, 9, 0)
        with pytest.raises(AccountClosedError if closed else ReversalError):
            entry.reverse(reason="It failed")

    @pytest.mark.parametrize("end", ["release", "timeout"])
    def test_of_a_hold_that_is_over_is_a_plain_spend(self, account, clock, end):
        account.add_credits(10, "Bought")
        hold = account.hold_credits(5, "Work", ttl=DAY)
        if end == "release":
            CreditHold.objects.get(pk=hold.pk).release()
        else:
            clock.move(DAY)
        entry = account.settle_credits(7, "Work", hold=hold)
        assert (entry.amount, entry.hold) == (-7, None)
        assert hold.status == ("released" if end == "release" else "expired")

    def test_takes_held_credits_whose_lot_has_ended_before_others(self, account, clock):
        subscribe(account, 5, clock, days=1)
        account.add_credits(5, "Bought")
        hold = account.hold_credits(3, "Work", ttl=3 * DAY)
        clock.move(2 * DAY)
        entry = account.settle_credits(4, "Work", hold=hold)
        assert parts(entry) == {"subscription": -3, "payg": -1}

    def test_again_returns_the_first(self, account):
        account.add_credits(10, "Bought")
        hold = account.hold_credits(5, "Work", ttl=DAY)
        first = account.settle_credits(12, "Work", hold=hold)
        again = account.settle_credits(12, "Work", hold=hold)
        assert (again, again.replayed, again.shortfall) == (first, True, 2)
        for other in (11, 10, 0):
            with pytest.raises(HoldStateError):
                account.settle_credits(other, "Work", hold=hold)
        keyed = account.settle_credits(3, "Work", idempotency_key="k")
        assert account.settle_credits(3, "Work", idempotency_key="k") == keyed
        with pytest.raises(IdempotencyConflictError):
            account.settle_credits(4, "Work", idempotency_key="k")

    def test_charges_the_work_of_a_deleted_actor(self, account, make_user):
        account.add_credits(10, "Bought")
        actor = make_user()
        stale = copy(actor)
        actor.delete()
        assert account.settle_credits(4, "Work", actor=stale).actor is None

    def test_takes_no_hold_of_another_account(self, account, make_owner):
        other = CreditAccount.objects.for_owner(make_owner())
        other.add_credits(10, "Bought")
        hold = other.hold_credits(5, "Work", ttl=DAY)
        with pytest.raises(InvalidRequestError, match=r"^hold: "):
            account.settle_credits(5, "Work", hold=hold)

    def test_announces_a_shortfall_after_the_commit(
        self, account, django_capture_on_commit_callbacks
    ):
        told = []

        def receive(account, transaction, event, **kwargs):
            told.append((account, transaction, event.payload["amount"], event.payload["required"]))

        signals.shortfall_recorded.connect(receive)
        try:
            with django_capture_on_commit_callbacks(execute=True):
                entry = account.settle_credits(9, "Work")
                assert not told
        finally:
            signals.shortfall_recorded.disconnect(receive)
        assert told == [(account, entry, "9.0000", "9.0000")]


def test_an_expiry_says_when_its_credits_ended(account, clock):
    """This doesn't depend on when it is posted, so the expiries of a month are known."""
    lot = lot_of(subscribe(account, 10, clock, days=1))
    clock.move(20 * DAY)
    ledger.expire_due()
    entry = account.transactions.get(kind="expire")
    assert entry.created_at == clock.now
    assert parse_datetime(entry.metadata["ended_at"]) == lot.expires_at
    months = (
        CreditAllocation.objects.filter(transaction__kind="expire")
        .values(month=TruncMonth("lot__expires_at"))
        .annotate(credits=-Sum("amount"))
    )
    assert [row["credits"] for row in months] == [10]
