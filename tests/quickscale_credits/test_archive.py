"""Old lines move to the archive, and nobody who looks at the sums can tell."""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.urls import reverse_lazy

from quickscale_credits import ledger
from quickscale_credits.exceptions import (
    IdempotencyConflictError,
    InsufficientCreditsError,
    ReversalError,
    UnsoundAccountError,
)
from quickscale_credits.metering import charge
from quickscale_credits.models import CreditAccount
from quickscale_credits.testing import ServiceFactory
from tests.owners import make_owner as new_owner

DAY = timedelta(days=1)
BEGIN = datetime(2030, 1, 1, tzinfo=UTC)
LINES = 1500
EXPORT = reverse_lazy("quickscale_credits:history_export")


def execute(sql, parameters=None):
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchall() if cursor.description else []


def archived(account):
    return execute(
        "SELECT sequence, kind, amount, balance_after, usage_id"
        "  FROM quickscale_credits_archivedtransaction WHERE account_id = %s ORDER BY sequence",
        [account.pk],
    )


def attack(sql, **parameters):
    with transaction.atomic():
        execute(sql, parameters)
        commit()


def commit():
    """Check what a commit would check."""
    execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")


def figures(account):
    account.refresh_from_db()
    return (
        account.get_balance(),
        account.get_available_balance(),
        account.get_balance_by_type(),
        account.next_sequence,
        list(account.lots.order_by("pk").values_list("pk", "amount", "remaining", "held")),
        list(account.holds.order_by("pk").values_list("pk", "status", "captured")),
    )


def rows(browser):
    text = b"".join(browser.get(f"{EXPORT}?sort=oldest").streaming_content).decode()
    return list(csv.reader(StringIO(text)))[1:]


def live_through(account, clock, *, uses):
    """A hundred days of plans, spends, reversals and a service, with a hold still open."""
    ServiceFactory(name="Painting", slug="painting", cost=2)
    account.add_credits(20_000, "Bought", source=("test", "bought"), idempotency_key="bought")
    for day in range(100):
        if day % 10 == 0:
            ends = clock.now + 9 * DAY
            account.add_credits(30, "Plan", credit_type="subscription", expires_at=ends)
        for n in range(uses):
            entry = account.consume_credits(1 + n, "Work", idempotency_key=f"{day} {n}")
        if day % 10 == 5:
            entry.reverse(reason="It failed")
        if day == 40:
            with charge(account.owner, "painting", idempotency_key="picture"):
                pass
        clock.move(DAY)
    account.hold_credits(7, "Work", ttl=30 * DAY)
    return account


@pytest.fixture
def account(account, clock):
    return live_through(account, clock, uses=2)


def test_sums_history_and_keys_are_as_before(owner, clock, browser):
    account = CreditAccount.objects.for_owner(owner)
    live_through(account, clock, uses=LINES // 100)
    before, history = figures(account), rows(browser)
    entries = account.transactions.count()
    assert entries >= LINES
    assert ledger.verify() == []

    moved = ledger.archive(account=account, before=BEGIN + 60 * DAY)
    commit()

    assert ledger.verify() == ledger.verify(account) == []
    assert ledger.rebuild(account) == []
    assert figures(account) == before
    assert account.transactions.count() == entries - moved + 1
    carry, *rest = rows(browser)
    assert [carry[0], carry[6]] == [history[moved - 1][0], history[moved - 1][6]]
    assert carry[2:4] == ["Carried forward", "Carried forward"]
    assert rest == history[moved:]
    assert [line[0] for line in archived(account)] == list(range(1, moved + 1))
    assert archived(account)[-1][3] == account.transactions.earliest("sequence").balance_after

    old = account.consume_credits(1, "Work", idempotency_key="3 0")
    with pytest.raises(ReversalError):
        old.reverse(reason="Too late")
    assert (old.sequence, old.amount) == (archived(account)[old.sequence - 1][0], -1)
    with pytest.raises(IdempotencyConflictError):
        account.consume_credits(2, "Work", idempotency_key="3 0")
    for key in ({"idempotency_key": "bought"}, {"source": ("test", "bought")}):
        request = {"source": ("test", "bought"), **key}
        assert account.add_credits(20_000, "Bought", **request).sequence == 1
    with charge(account.owner, "painting", idempotency_key="picture") as charging:
        assert charging.replayed
    assert charging.usage.pk in {line[4] for line in archived(account)}

    assert figures(account) == before
    assert account.consume_credits(5, "Work").sequence == entries + 1
    account.holds.get(status="open").capture()
    with pytest.raises(InsufficientCreditsError):
        account.consume_credits(20_000, "Work")
    commit()
    assert ledger.verify() == []


def test_it_goes_on_from_where_it_was(account, clock):
    first = ledger.archive(account=account, before=BEGIN + 30 * DAY)
    assert ledger.archive(account=account, before=BEGIN + 30 * DAY) == 0
    second = ledger.archive(account=account, before=BEGIN + 200 * DAY)
    commit()
    assert len(archived(account)) == first + second
    assert "carry" not in {line[1] for line in archived(account)}
    assert account.transactions.count() == 1
    assert ledger.verify() == []
    account.consume_credits(1, "Work")
    commit()
    assert ledger.verify() == []


def test_what_a_later_line_gives_back_stays(clock):
    account = CreditAccount.objects.for_owner(new_owner())
    account.add_credits(10, "Bought")
    clock.move(DAY)
    entry = account.consume_credits(4, "Work")
    clock.move(10 * DAY)
    entry.reverse(1, reason="It failed")
    assert ledger.archive(account=account, before=BEGIN + 5 * DAY) == 1
    entry.reverse(1, reason="It failed")
    with pytest.raises(ReversalError):
        account.transactions.get(kind="carry").reverse(reason="No")
    assert ledger.verify() == []


def test_a_revocation_stays_as_long_as_it_is_owed(clock):
    account = CreditAccount.objects.for_owner(new_owner())
    lot = account.add_credits(10, "Bought").allocations.get().lot
    hold = account.hold_credits(10, "Work", ttl=DAY)
    dispute = ledger.revoke(lot=lot, amount=10, reason="Dispute")
    clock.move(DAY / 2)
    assert ledger.archive(account=account, before=clock.now) == 1
    hold.release()
    before = clock.now + DAY
    clock.move(DAY)
    assert ledger.archive(account=account, before=before - DAY / 4) == 2
    assert lot.claims.count() == 0
    assert ledger.verify() == []
    with pytest.raises(ReversalError):
        dispute.reverse(reason="Too late")


def test_a_reversal_with_a_key_is_answered_from_the_archive(clock):
    account = CreditAccount.objects.for_owner(new_owner())
    account.add_credits(10, "Bought")
    used = account.consume_credits(10, "Work")
    back = used.reverse(reason="It failed", idempotency_key="k")
    clock.move(DAY)
    assert ledger.archive(account=account, before=clock.now) == 3
    assert used.reverse(reason="It failed", idempotency_key="k") == back
    with pytest.raises(ReversalError):
        used.reverse(reason="It failed")
    assert account.get_balance() == 10


def test_an_account_in_debt_and_an_empty_one(clock):
    debtor, empty = (CreditAccount.objects.for_owner(new_owner()) for _ in range(2))
    ledger.set_overdraft_limit(account=debtor, limit=10)
    debtor.consume_credits(5, "Work")
    empty.add_credits(3, "Bought")
    empty.consume_credits(3, "Work")
    clock.move(DAY)
    for account, balance in ((debtor, -5), (empty, 0)):
        ledger.archive(account=account, before=clock.now)
        commit()
        assert account.transactions.get().amount == balance
        account.add_credits(1, "Bought")
        commit()
    assert ledger.verify() == []


def test_an_unsound_account_is_left_alone(account):
    execute(
        "UPDATE quickscale_credits_creditaccount SET next_sequence = 99999 WHERE id = %s",
        [account.pk],
    )
    with pytest.raises(UnsoundAccountError, match=r"account\.next_sequence") as caught:
        ledger.archive(account=account, before=BEGIN + 30 * DAY)
    assert len(caught.value.discrepancies) == 1
    assert archived(account) == []


TABLE = "quickscale_credits_"
COPY = (
    f"INSERT INTO {TABLE}archivedtransaction"
    f" SELECT *, NULL FROM {TABLE}credittransaction WHERE account_id = %(id)s"
    " AND kind <> 'carry' AND sequence < 30;"
    f"INSERT INTO {TABLE}archivedallocation SELECT part.* FROM {TABLE}creditallocation part"
    f"  JOIN {TABLE}credittransaction entry ON entry.id = transaction_id"
    " WHERE part.account_id = %(id)s AND kind <> 'carry' AND sequence < 30;"
)
ATTACKS = {
    "a line that the archive hasn't": (
        f"DELETE FROM {TABLE}credittransaction WHERE account_id = %(id)s AND sequence = 100"
    ),
    "a line's allocations": (
        f"DELETE FROM {TABLE}creditallocation WHERE transaction_id IN (SELECT id FROM"
        f" {TABLE}credittransaction WHERE account_id = %(id)s AND sequence = 100)"
    ),
    "a line that the archive has, with nothing in its place": (
        COPY + f"DELETE FROM {TABLE}creditallocation WHERE transaction_id IN (SELECT id FROM"
        f" {TABLE}credittransaction WHERE account_id = %(id)s AND sequence < 3);"
        f"DELETE FROM {TABLE}credittransaction WHERE account_id = %(id)s AND sequence < 3"
    ),
    "the allocations alone": (
        COPY + f"DELETE FROM {TABLE}creditallocation WHERE transaction_id IN (SELECT id FROM"
        f" {TABLE}credittransaction WHERE account_id = %(id)s AND sequence < 3)"
    ),
    "a line of the archive": (f"DELETE FROM {TABLE}archivedtransaction WHERE account_id = %(id)s"),
    "an amount of the archive": f"UPDATE {TABLE}archivedallocation SET amount = 1",
    "all of the archive": f"TRUNCATE {TABLE}archivedtransaction",
}


@pytest.mark.parametrize("sql", ATTACKS.values(), ids=ATTACKS.keys())
def test_postgresql_refuses_to_lose_a_line(account, sql):
    commit()
    with pytest.raises(IntegrityError):
        attack(sql, id=account.pk)


CARRIED_ATTACKS = {
    "the line that carries forward": (
        f"DELETE FROM {TABLE}creditallocation WHERE transaction_id = %(carry)s;"
        f"DELETE FROM {TABLE}credittransaction WHERE id = %(carry)s"
    ),
    "its allocations": f"DELETE FROM {TABLE}creditallocation WHERE transaction_id = %(carry)s",
    "its amount": f"UPDATE {TABLE}credittransaction SET amount = 1 WHERE id = %(carry)s",
    "another in its place": (
        f"DELETE FROM {TABLE}creditallocation WHERE transaction_id = %(carry)s;"
        f"DELETE FROM {TABLE}credittransaction WHERE id = %(carry)s;"
        f"INSERT INTO {TABLE}credittransaction (id, account_id, sequence, kind, amount,"
        " balance_after, description, metadata, created_at) VALUES"
        " (%(carry)s, %(id)s, %(sequence)s, 'carry', 0, 0, 'Mine', '{}', now())"
    ),
    "one before the first": (
        f"INSERT INTO {TABLE}credittransaction (account_id, sequence, kind, amount,"
        " balance_after, description, metadata, created_at) VALUES"
        " (%(id)s, 1, 'carry', 0, 0, 'Mine', '{}', now())"
    ),
}


@pytest.mark.parametrize("sql", CARRIED_ATTACKS.values(), ids=CARRIED_ATTACKS.keys())
def test_postgresql_refuses_to_carry_anything_else_forward(account, sql):
    ledger.archive(account=account, before=BEGIN + 30 * DAY)
    commit()
    carry = account.transactions.get(kind="carry")
    with pytest.raises(IntegrityError):
        attack(sql, id=account.pk, carry=carry.pk, sequence=carry.sequence)


@pytest.mark.parametrize(
    ("rule", "sql"),
    {
        "the line that carries forward is the archive": (
            f"UPDATE {TABLE}archivedtransaction SET amount = amount - 1 WHERE sequence = 1"
        ),
        "the archive of a lot is what is carried on": (
            f"UPDATE {TABLE}archivedallocation SET amount = amount - 1 WHERE transaction_id ="
            f" (SELECT id FROM {TABLE}archivedtransaction WHERE sequence = 1)"
        ),
        "the archive of a line is the sum of its allocations": (
            f"DELETE FROM {TABLE}archivedallocation WHERE transaction_id ="
            f" (SELECT id FROM {TABLE}archivedtransaction WHERE sequence = 2)"
        ),
        "hold.captured is what its transaction took": (
            f"UPDATE {TABLE}archivedtransaction SET hold_id = NULL"
        ),
        "usage.cost less its shortfall is what its transaction took": (
            f"UPDATE {TABLE}archivedtransaction SET usage_id = NULL"
        ),
    }.items(),
)
def test_damage_to_the_archive_is_found(account, rule, sql):
    ledger.archive(account=account, before=BEGIN + 50 * DAY)
    execute("SET CONSTRAINTS ALL IMMEDIATE; SET session_replication_role = replica")
    execute(sql)
    execute("SET session_replication_role = origin")
    assert rule in {discrepancy.rule for discrepancy in ledger.verify(account)}


def test_the_archive_has_every_column_of_the_journal(db):
    for name, more in (("transaction", {"usage_id"}), ("allocation", set())):
        live, kept = (
            {
                row[0]
                for row in execute(
                    "SELECT column_name FROM information_schema.columns WHERE table_name = %s",
                    [f"{TABLE}{prefix}{name}"],
                )
            }
            for prefix in ("credit", "archived")
        )
        assert kept == live | more


class TestCommand:
    def run(self, *arguments, **options):
        out = StringIO()
        call_command("archive_ledger", *arguments, stdout=out, **options)
        return out.getvalue()

    def test_moves_the_lines_of_all_accounts(self, member, make_owner):
        with pytest.raises(CommandError, match="Name owners"):
            self.run(before="2025-01-01")
        account = CreditAccount.objects.for_owner(make_owner())
        account.add_credits(10, "Bought")
        assert self.run("--all", before="2020-01-01") == "Moved 0 lines of 0 accounts.\n"

    def test_a_dry_run_moves_nothing(self, account, member, clock, monkeypatch):
        monkeypatch.setattr("django.utils.timezone.now", lambda: clock.now)
        expected = account.transactions.filter(created_at__lt=BEGIN + 31 * DAY).count()
        answer = self.run(member.email, before="2030-02-01", dry_run=True)
        assert answer == f"Would move {expected} lines of 1 accounts.\n"
        assert archived(account) == []
        assert f'"moved": {expected}' in self.run(member.email, before="2030-02-01", json=True)
        assert len(archived(account)) == expected

    def test_tells_which_accounts_are_not_sound(self, account, clock, monkeypatch):
        monkeypatch.setattr("django.utils.timezone.now", lambda: clock.now)
        execute("UPDATE quickscale_credits_creditaccount SET next_sequence = 99999")
        with pytest.raises(CommandError, match="Left as they are") as caught:
            self.run("--all", before="2030-02-01")
        assert caught.value.returncode == 1
        assert archived(account) == []

    @pytest.mark.parametrize(
        ("day", "message"), [("soon", "no date"), ("2999-01-01", "in the future")]
    )
    def test_a_bad_day(self, db, day, message):
        with pytest.raises(CommandError, match=message):
            self.run("--all", before=day)
