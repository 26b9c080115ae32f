"""Credits that go to another account keep their terms, and a refund finds them there."""

from __future__ import annotations

from datetime import timedelta
from threading import Barrier, Thread

import pytest
from django.db import DatabaseError, connection, transaction

from quickscale_credits import allotments, ledger
from quickscale_credits.exceptions import (
    AccountClosedError,
    IdempotencyConflictError,
    InsufficientCreditsError,
    InvalidAmountError,
    InvalidRequestError,
)
from quickscale_credits.models import CreditAccount, CreditEvent, CreditLot, CreditTransaction
from tests.owners import make_owner
from tests.quickscale_credits.test_outbox import listening

DAY = timedelta(days=1)
TERMS = [
    *("credit_type", "priority", "effective_at", "expires_at", "source_type", "source_id"),
    *("cost_currency", "period_start", "period_end"),
]

LOST = "transferred_from_id = NULL, source_type = ''"


@pytest.fixture(autouse=True)
def sound_ledger(account):
    yield
    assert ledger.verify() == []
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


@pytest.fixture
def other(account):
    return CreditAccount.objects.for_owner(make_owner())


@pytest.fixture
def plan(account, clock):
    begin, end = clock.now - DAY, clock.now + 30 * DAY
    entry = account.add_credits(
        100,
        "Plan",
        credit_type="subscription",
        effective_at=begin,
        expires_at=end,
        priority=7,
        source=("invoice", "in_9"),
        cost=(999, "eur"),
        period=(begin, end),
    )
    return entry.allocations.get().lot


def transfer(lot, to, **arguments):
    return ledger.transfer(lot=lot, to=to, description="Two users became one", **arguments)


def test_all_that_is_left_moves_on_the_same_terms(account, other, plan):
    account.consume_credits(30, "Work")
    entry = transfer(plan, other)
    assert (entry.account, entry.kind, entry.amount) == (account, "transfer", -70)
    moved = other.lots.get()
    assert moved.transferred_from == plan
    assert [getattr(moved, name) for name in TERMS] == [getattr(plan, name) for name in TERMS]
    assert (moved.amount, moved.cost_amount) == (70, 699)
    assert (account.get_balance(), other.get_balance()) == (0, 70)
    assert other.transactions.get().description == "Two users became one"
    assert transfer(plan, other) is None


def test_a_part_moves_and_the_rest_stays(account, other, plan):
    transfer(plan, other, amount=40)
    transfer(plan, other, amount="0.5")
    assert (account.get_balance(), other.get_balance()) == (59.5, 40.5)
    with pytest.raises(InsufficientCreditsError) as caught:
        transfer(plan, other, amount=60)
    assert (caught.value.available, caught.value.required) == (59.5, 60)


def test_what_is_held_stays_with_its_hold(account, other, plan):
    hold = account.hold_credits(60, "Work", ttl=DAY)
    transfer(plan, other)
    assert other.get_balance() == 40
    hold.capture(10)
    assert account.get_available_balance() == 50


def test_credits_end_in_their_new_account(account, other, clock, plan):
    transfer(plan, other)
    clock.move(31 * DAY)
    assert other.get_balance() == 0
    ledger.expire_due()
    assert other.transactions.first().kind == "expire"


def test_ended_credits_stay(account, other, clock, plan):
    clock.move(31 * DAY)
    assert transfer(plan, other) is None
    assert account.transactions.first().kind == "expire"


def test_credits_that_have_not_begun_move(account, other, clock):
    entry = account.add_credits(
        10, "Next month", credit_type="bonus", effective_at=clock.now + 5 * DAY
    )
    transfer(entry.allocations.get().lot, other)
    assert other.get_balance() == 0
    clock.move(6 * DAY)
    assert (account.get_balance(), other.get_balance()) == (0, 10)


def test_the_same_key_moves_once(account, other, plan):
    first = transfer(plan, other, amount=10, idempotency_key="merge")
    again = transfer(plan, other, amount=10, idempotency_key="merge")
    assert (again, first.replayed, again.replayed) == (first, False, True)
    assert other.get_balance() == 10
    third = CreditAccount.objects.for_owner(make_owner())
    for arguments in ({"to": third, "amount": 10}, {"to": other, "amount": 11}):
        with pytest.raises(IdempotencyConflictError):
            transfer(plan, idempotency_key="merge", **arguments)


def test_both_histories_say_who_did_it_and_why(account, other, plan, member):
    transfer(plan, other, actor=member, metadata={"ticket": 4})
    for one in (account, other):
        entry = one.transactions.first()
        assert (entry.actor_id, entry.metadata) == (member.pk, {"ticket": 4})


def test_both_accounts_are_reported(account, other, plan):
    transfer(plan, other)
    events = CreditEvent.objects.filter(kind="transferred").order_by("pk")
    assert [(e.account, e.payload["amount"]) for e in events] == [
        (account, "-100.0000"),
        (other, "100.0000"),
    ]


def test_both_are_announced_once_after_the_commit(
    account, other, plan, django_capture_on_commit_callbacks
):
    heard = []

    def receiver(account, event, **kwargs):
        heard.append((account, event.payload["amount"]))

    with listening(receiver, "credits_transferred"):
        for _ in range(2):
            with django_capture_on_commit_callbacks(execute=True):
                transfer(plan, other, amount=10, idempotency_key="merge")
            assert sorted(heard, key=lambda told: told[1]) == [
                (account, "-10.0000"),
                (other, "10.0000"),
            ]


def test_no_balance_grows_beyond_the_limit(account, other, plan):
    other.add_credits(10**15 - 100, "Bought")
    with pytest.raises(InvalidAmountError, match="amount: "):
        transfer(plan, other)
    assert transfer(plan, other, amount=99)


def test_the_receiver_pays_its_overdraft_back(account, other, plan):
    ledger.set_overdraft_limit(account=other, limit=20)
    other.consume_credits(15, "Work")
    transfer(plan, other)
    assert other.get_balance() == 85


def test_a_frozen_account_gives_and_receives_and_a_closed_one_does_not(account, other, plan):
    ledger.freeze(account=account)
    ledger.freeze(account=other)
    transfer(plan, other, amount=10)
    for closed in (other, account):
        ledger.close(account=closed)
        with pytest.raises(AccountClosedError):
            transfer(plan, other, amount=10)


def test_what_can_not_move(account, other, plan):
    with pytest.raises(InvalidRequestError, match="already"):
        transfer(plan, account)
    ledger.set_overdraft_limit(account=account, limit=20)
    account.consume_credits(110, "Work")
    with pytest.raises(InvalidRequestError, match="overdraft"):
        transfer(account.lots.get(credit_type="overdraft"), other)


class TestMoneyThatGoesBack:
    def test_takes_what_stayed_and_what_moved(self, account, other, plan):
        account.consume_credits(30, "Work")
        transfer(plan, other)
        other.consume_credits(20, "Work")
        lots = CreditLot.objects.filter(pk=plan.pk).with_transfers().order_by("pk")
        revoked = [ledger.revoke(lot=lot, amount=100, reason="Refund") for lot in lots]
        assert [(e.account, -e.amount, e.shortfall) for e in revoked] == [
            (account, 0, 30),
            (other, 50, 20),
        ]

    def test_finds_what_was_converted_and_moved_twice(self, account, other, plan):
        ledger.convert(lot=plan, description="Upgrade", cap=60)
        child = CreditLot.objects.get(parent=plan)
        transfer(child, other)
        third = CreditAccount.objects.for_owner(make_owner())
        transfer(other.lots.get(), third, amount=50)
        lots = CreditLot.objects.filter(pk=plan.pk).with_transfers()
        assert {lot.account_id: lot.amount for lot in lots} == {
            account.pk: 100,
            other.pk: 60,
            third.pk: 50,
        }
        for lot in lots:
            ledger.revoke(lot=lot, amount=100, reason="Refund")
        assert [one.get_balance() for one in (account, other, third)] == [0, 0, 0]

    def test_a_source_that_moved_gives_no_credits_again(self, account, other, plan):
        transfer(plan, other)
        for receiver in (account, other):
            with pytest.raises(IdempotencyConflictError):
                receiver.add_credits(5, "Again", source=("invoice", "in_9"))


class TestAllotments:
    @pytest.fixture
    def year(self, account, clock):
        source = ("plan", "order-17")
        allotments.schedule_allotment(
            account=account,
            amount=100,
            description="Plan",
            anchor=clock.now,
            until=clock.now + 365 * DAY,
            source=source,
        )
        return source

    def test_a_schedule_that_moved_is_its_new_account_s(self, account, other, year):
        for lot in account.lots.all():
            transfer(lot, other)
        entry = allotments.cancel_allotment(account=other, source=year, reason="Cancelled")
        assert (entry.amount, other.get_balance()) == (-1100, 100)
        assert allotments.cancel_allotment(account=account, source=year, reason="No") is None

    def test_a_period_that_came_back_in_part_is_changed_once(self, account, other, year):
        for lot in account.lots.all():
            transfer(lot, other, amount=50)
        for lot in other.lots.all():
            transfer(lot, account)
        allotments.change_allotment(
            account=account,
            source=year,
            new_source=("plan", "order-17-plus"),
            amount=10,
            description="Less",
        )
        assert account.lots.filter(source_id__startswith="order-17-plus").count() == 11
        account.refresh_from_db()
        assert account.posted == 100 + 11 * 10


class TestProofs:
    def test_transfers_are_proved(self, account, other, plan):
        transfer(plan, other)
        assert ledger.verify() == []
        assert ledger.rebuild(account) == ledger.rebuild(other) == []
        assert ledger.revoke(lot=other.lots.get(), amount=100, reason="Refund").amount == -100

    @pytest.mark.parametrize(
        ("damage", "rule"),
        [
            (LOST, "lot.transfers are what was transferred from it"),
            (LOST, "lot is what was transferred to it"),
            ("expires_at = expires_at + interval '1 year'", "lot is what was transferred to it"),
        ],
    )
    def test_a_damaged_transfer_is_reported(self, account, other, plan, damage, rule):
        transfer(plan, other)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            cursor.execute(
                f"UPDATE quickscale_credits_creditlot SET {damage} WHERE account_id = %s",
                [other.pk],
            )
            assert any(found.rule.startswith(rule) for found in ledger.verify())
            transaction.set_rollback(True)

    def test_what_a_lot_was_transferred_from_never_changes(self, account, other, plan):
        transfer(plan, other)
        with pytest.raises(DatabaseError, match="keeps what it has"), transaction.atomic():
            other.lots.update(transferred_from=None)


@pytest.mark.django_db(transaction=True)
def test_two_accounts_that_give_to_each_other_at_once(account, other):
    lots = [one.add_credits(50, "Bought").allocations.get().lot for one in (account, other)]
    barrier, failures = Barrier(2), []

    def move(lot, to):
        try:
            barrier.wait(10)
            for _ in range(20):
                transfer(lot, to, amount=1)
        except Exception as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [Thread(target=move, args=args) for args in zip(lots, (other, account), strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert [one.get_balance() for one in (account, other)] == [50, 50]
    assert CreditTransaction.objects.filter(kind="transfer").count() == 80
