"""Transactions that change several accounts, and transactions that see a snapshot."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.db import OperationalError, connection, transaction
from django.db.transaction import TransactionManagementError
from django.utils import timezone

from quickscale_credits import ledger
from quickscale_credits.exceptions import (
    CreditsError,
    InvalidRequestError,
    TransactionConflictError,
)
from quickscale_credits.models import CreditAccount
from tests.quickscale_credits.operations import OPERATIONS, Stage

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def accounts(make_owner):
    accounts = [CreditAccount.objects.for_owner(make_owner()) for _ in range(2)]
    for account in accounts:
        account.add_credits(10, "Bought")
    return accounts


def together(*works):
    """Run each in a thread with its own connection; return its results or errors."""

    def run(work):
        try:
            return work()
        except OperationalError as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(works)) as pool:
        return [future.result(30) for future in [pool.submit(run, work) for work in works]]


class TestLock:
    def move(self, giver, taker, *, locked):
        barrier = self.barrier

        def work():
            with transaction.atomic():
                if locked:
                    ledger.lock(giver, taker)
                giver.remove_credits(3, "Given")
                if not locked:
                    barrier.wait(10)
                taker.add_credits(3, "Received")

        return work

    @pytest.mark.parametrize("locked", [True, False])
    def test_accounts_that_are_locked_first_never_deadlock(self, accounts, locked):
        self.barrier = threading.Barrier(2)
        one, other = accounts
        ended = together(self.move(one, other, locked=locked), self.move(other, one, locked=locked))
        conflicts = [error for error in ended if error is not None]
        assert [type(error) for error in conflicts] == (
            [] if locked else [TransactionConflictError]
        )
        assert sum(account.get_balance() for account in accounts) == 20
        assert ledger.verify() == []

    def test_is_one_round_trip(self, accounts, django_assert_num_queries):
        with transaction.atomic(), django_assert_num_queries(1) as queries:
            ledger.lock(*reversed(accounts))
        assert "FOR NO KEY UPDATE" in queries[0]["sql"]

    def test_needs_a_transaction(self, accounts):
        with pytest.raises(TransactionManagementError):
            ledger.lock(*accounts)

    def test_needs_accounts(self, owner):
        with transaction.atomic():
            for wrong in ([], [owner], [CreditAccount()]):
                with pytest.raises(InvalidRequestError):
                    ledger.lock(*wrong)

    def test_an_account_that_was_deleted(self, accounts, make_owner):
        gone = CreditAccount.objects.for_owner(make_owner())
        CreditAccount.objects.filter(pk=gone.pk).delete()
        with transaction.atomic(), pytest.raises(CreditAccount.DoesNotExist):
            ledger.lock(*accounts, gone)


def test_locking_a_user_first_does_not_wait_for_their_spends(account, member):
    account.add_credits(10, "Bought")
    locked = threading.Event()

    def in_a_transaction():
        with transaction.atomic():
            get_user_model().objects.select_for_update().get(pk=member.pk)
            locked.set()
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_sleep(0.3)")  # the other one has started
            account.consume_credits(1, "Work", actor=member)

    def alone():
        locked.wait(10)
        account.consume_credits(1, "Work", actor=member)

    def hold():
        locked.wait(10)
        with transaction.atomic():
            account.hold_credits(1, "Work", ttl=timedelta(hours=1), actor=member)

    assert together(in_a_transaction, alone, hold) == [None] * 3
    assert account.get_available_balance() == 7


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_a_snapshot_that_is_too_old_is_reported_and_nothing_is_written(account, level):
    account.add_credits(10, "Bought")

    @transaction.atomic
    def late():
        with connection.cursor() as cursor:
            cursor.execute(f"SET TRANSACTION ISOLATION LEVEL {level}")
        assert account.get_balance() == 10
        together(lambda: account.consume_credits(4, "Elsewhere"))
        account.consume_credits(8, "Work")

    with pytest.raises(TransactionConflictError) as caught:
        late()
    assert isinstance(caught.value, OperationalError)
    assert not isinstance(caught.value, CreditsError)
    assert account.get_balance() == 6
    assert ledger.verify() == []


def test_every_write_reports_a_conflict():
    """After a change behind its snapshot, each of them raises the error that asks to try again."""
    silent = {"open_account", "verify", "verify_in_parts"}  # one inserts, the others read
    for module, name, arguments in OPERATIONS:
        if name in silent:
            continue
        stage = Stage()
        accounts = CreditAccount.objects.filter(pk__in=[stage.account.pk, stage.other.pk])
        accounts.update(next_due_at=timezone.now())
        args, kwargs = arguments(stage)
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            accounts.count()
            together(lambda accounts=accounts: accounts.update(updated_at=timezone.now()))
            with pytest.raises(TransactionConflictError):
                getattr(module, name)(*args, **kwargs)
            transaction.set_rollback(True)
    assert ledger.verify() == []


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_a_snapshot_that_nobody_changed_works(account, level):
    account.add_credits(10, "Bought")
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"SET TRANSACTION ISOLATION LEVEL {level}")
        account.consume_credits(4, "Work")
        account.hold_credits(4, "Work", ttl=timedelta(hours=1)).capture(1)
    assert account.get_balance() == 5
