"""Concurrency: real threads with their own connections, and a process that is killed.

``QUICKSCALE_OPERATIONS`` is the number of random operations that each of the 8 threads does, and
``QUICKSCALE_CRASHES`` is how often the process is killed.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from functools import partial
from threading import Barrier

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from quickscale_credits import ledger
from quickscale_credits.exceptions import CreditsError, HoldStateError, InsufficientCreditsError
from quickscale_credits.models import CreditAccount, CreditHold, CreditTransaction
from tests.owners import make_owner
from tests.quickscale_credits.times import a_day_ago

THREADS = 8
OPERATIONS = int(os.environ.get("QUICKSCALE_OPERATIONS", "60"))
CRASHES = int(os.environ.get("QUICKSCALE_CRASHES", "5"))
DAY = timedelta(days=1)

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(work, times=THREADS):
    """Call ``work(number)`` in ``times`` threads that start together; returns results or errors."""
    barrier = Barrier(times)

    def run(number):
        try:
            barrier.wait()
            return work(number)
        except CreditsError as error:
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(run, range(times)))


def new_account():
    return CreditAccount.objects.for_owner(make_owner())


def test_two_calls_make_one_account(settings):
    settings.QUICKSCALE_CREDITS_STARTING_BALANCE = 10
    owner = make_owner()
    accounts = at_once(lambda _: CreditAccount.objects.for_owner(owner))
    assert len({account.pk for account in accounts}) == 1
    assert accounts[0].get_balance() == 10


def test_a_hot_account_is_never_overspent():
    account = new_account()
    account.add_credits(30, "Plan", credit_type="subscription", expires_at=timezone.now() + DAY)
    account.add_credits(70, "Bought")

    def work(_):
        taken = 0
        for _ in range(20):
            with suppress(InsufficientCreditsError):
                account.consume_credits(1, "Work")
                taken += 1
        return taken

    assert sum(at_once(work)) == 100
    assert account.get_balance() == 0
    assert ledger.verify() == []


def test_a_key_makes_one_transaction():
    account = new_account()
    account.add_credits(100, "Bought")
    entries = at_once(lambda _: account.consume_credits(10, "Work", idempotency_key="once"))
    assert len(set(entries)) == 1
    assert account.get_balance() == 90


def test_a_source_makes_one_lot():
    accounts = [new_account() for _ in range(2)]
    answers = at_once(
        lambda n: accounts[n % 2].add_credits(100, "Bought", source=("checkout", "cs_1"))
    )
    kinds = Counter(type(answer).__name__ for answer in answers)
    assert kinds == {"CreditTransaction": 4, "IdempotencyConflictError": 4}
    assert sum(account.get_balance() for account in accounts) == 100


def test_capture_release_and_sweep_of_one_hold():
    account = new_account()
    account.add_credits(10, "Bought")
    for _ in range(5):
        hold = account.hold_credits(1, "Work", ttl=timedelta(milliseconds=30))
        time.sleep(0.025)
        capture, release, nothing, settled = (CreditHold.objects.get(pk=hold.pk) for _ in range(4))
        ends = [capture.capture, release.release, ledger.expire_due, partial(nothing.capture, 0)]
        ends.append(partial(account.settle_credits, 1, "Work", hold=settled))
        at_once(lambda n, ends=ends: ends[n](), len(ends))
        hold.refresh_from_db()
        assert hold.status != "open"
    assert ledger.verify() == []
    charged = account.transactions.filter(kind="consume").count()
    assert account.get_available_balance() == 10 - charged
    assert charged == 5 - account.holds.filter(status="captured", captured=0).count()


def test_a_transaction_is_reversed_once():
    account = new_account()
    account.add_credits(10, "Bought")
    entry = account.consume_credits(8, "Work")
    at_once(lambda _: entry.reverse(3, reason="It failed"))
    assert account.get_balance() == 8


def test_accounts_do_not_wait_for_each_other():
    locked, free = new_account(), new_account()
    for account in (locked, free):
        account.add_credits(10, "Bought")

    def spend(_):
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '5s'")
        return free.consume_credits(1, "Work")

    with transaction.atomic():
        locked.consume_credits(1, "Work")
        entries = at_once(spend, 2)
    assert all(isinstance(entry, CreditTransaction) for entry in entries)


def test_the_sweep_passes_over_locked_accounts():
    accounts = [new_account() for _ in range(2)]
    with a_day_ago() as ends:
        for account in accounts:
            account.add_credits(1, "Trial", credit_type="trial", expires_at=ends)
    with transaction.atomic():
        CreditAccount.objects.select_for_update().get(pk=accounts[0].pk)
        assert at_once(lambda _: ledger.expire_due(), 1) == [1]
    assert ledger.expire_due() == 1


def test_batches_over_the_same_accounts_do_not_deadlock():
    accounts = [new_account() for _ in range(6)]
    for account in accounts:
        account.add_credits(1000, "Bought")

    def work(number):
        chance = random.Random(number)
        for _ in range(5):
            chosen = chance.choices(accounts, k=20)
            answers = ledger.consume_many(
                [{"account": account, "amount": 1, "description": "Work"} for account in chosen]
            )
            assert all(isinstance(answer, CreditTransaction) for answer in answers)

    assert at_once(work) == [None] * THREADS
    assert sum(account.get_balance() for account in accounts) == 6000 - THREADS * 5 * 20
    assert ledger.verify() == []


def random_work(account, chance):
    """Do one random operation, which may be refused."""
    soon = timezone.now() + timedelta(milliseconds=chance.randint(5, 200))
    amount = chance.randint(1, 40)
    with suppress(CreditsError):
        match chance.randrange(9):
            case 0:
                account.add_credits(amount, "Bought")
            case 1:
                account.add_credits(amount, "Trial", credit_type="trial", expires_at=soon)
            case 2 | 3 | 4:
                account.consume_credits(amount, "Work")
            case 5:
                hold = account.hold_credits(amount, "Work", ttl=timedelta(milliseconds=100))
                ends = [hold.capture, hold.release, lambda: hold.capture(0)]
                ends.append(lambda: account.settle_credits(amount + 1, "Work", hold=hold))
                chance.choice(ends)()
            case 6:
                entry = account.transactions.filter(kind="consume").order_by("?").first()
                if entry:
                    entry.reverse(chance.randint(1, 10), reason="It failed")
            case 7:
                lot = account.lots.exclude(credit_type="overdraft").order_by("?").first()
                if lot:
                    ledger.revoke(lot=lot, amount=amount, reason="Refund")
            case 8:
                ledger.expire_due(limit=2)


def test_random_work_on_many_accounts_and_a_hot_one():
    hot = new_account()
    accounts = [hot, *(new_account() for _ in range(4))]
    ledger.set_overdraft_limit(account=hot, limit=25)

    def work(number):
        chance = random.Random(number)
        for _ in range(OPERATIONS):
            random_work(chance.choice([hot, chance.choice(accounts)]), chance)

    assert at_once(work) == [None] * THREADS
    assert ledger.verify() == []


KILLED = """
import random, sys
import django
django.setup()
from django.db import connection
from quickscale_credits.models import CreditAccount
from tests.quickscale_credits.test_concurrency import random_work
connection.settings_dict["NAME"] = sys.argv[1]
accounts = list(CreditAccount.objects.all())
chance = random.Random(int(sys.argv[2]))
print("ready", flush=True)
while True:
    random_work(chance.choice(accounts), chance)
"""


def wait_for_work():
    deadline = time.monotonic() + 30
    while CreditTransaction.objects.count() <= 3 and time.monotonic() < deadline:
        time.sleep(0.05)


def test_a_killed_process_leaves_a_sound_ledger():
    for _ in range(3):
        new_account().add_credits(500, "Bought")
    for number in range(CRASHES):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, connection.settings_dict["NAME"], str(number)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert process.stdout.readline() == b"ready\n"
        time.sleep(random.uniform(0.01, 0.2))
        if number == CRASHES - 1:
            wait_for_work()
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    assert CreditTransaction.objects.count() > 3
    deadline = time.monotonic() + 10
    while ledger.expire_due() and time.monotonic() < deadline:
        pass
    assert ledger.verify() == []


def test_a_hold_of_a_dead_process_times_out():
    account = new_account()
    with a_day_ago():
        account.add_credits(5, "Bought")
        hold = account.hold_credits(5, "Work", ttl=timedelta(hours=1))
    assert account.get_available_balance() == 5
    with pytest.raises(HoldStateError):
        hold.capture()
