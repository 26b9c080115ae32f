from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from quickscale_credits import ledger
from quickscale_credits.models import CreditAccount, CreditLot

DAY = timedelta(days=1)

CORRUPTION = {
    "account.posted is the sum of its transactions": "creditaccount SET posted = posted + 1",
    "account.held is the sum of its open holds": "creditaccount SET held = held - 1",
    "account.next_sequence follows the last transaction": "creditaccount SET next_sequence = 99",
    "account.next_due_at is no later than the first end": "creditaccount SET next_due_at = NULL",
    "lot.remaining is the sum of its allocations": "creditlot SET remaining = remaining - 1",
    "lot.held is the sum of its open holds": "creditlot SET held = held - 1",
}


@pytest.fixture
def account(account):
    ends = timezone.now() + DAY
    account.add_credits(10, "Trial", credit_type="trial", expires_at=ends)
    account.consume_credits(3, "Work").reverse(1, reason="A part failed")
    account.hold_credits(2, "Work", ttl=DAY)
    return account


def change(sql):
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE quickscale_credits_{sql}")


def test_a_sound_ledger_has_nothing_to_tell(account):
    assert ledger.verify() == ledger.verify(account) == []


@pytest.mark.parametrize(("rule", "sql"), CORRUPTION.items(), ids=CORRUPTION.keys())
def test_planted_corruption_is_found_and_mended(account, make_owner, rule, sql):
    change(sql)
    found = ledger.verify(account)
    assert rule in {discrepancy.rule for discrepancy in found}
    assert rule in str(found[0]) or len(found) > 1
    other = CreditAccount.objects.for_owner(make_owner())
    assert ledger.verify(other) == []
    assert ledger.rebuild(account) == found
    assert ledger.verify() == []
    assert account.consume_credits(6, "Work")


def test_a_discrepancy_has_its_figures(account):
    change("creditlot SET remaining = 7")
    [about_account, about_lot] = ledger.verify()
    assert (about_lot.row_id, about_lot.expected, about_lot.actual) == (
        CreditLot.objects.get().pk,
        "8.0000",
        "7.0000",
    )
    assert about_account.account_id == about_lot.account_id == account.pk
    assert str(about_lot).endswith("has 7.0000, expected 8.0000")


def test_a_damaged_journal_is_told_and_left_alone(account):
    with connection.cursor() as cursor:
        cursor.execute(
            "SET CONSTRAINTS ALL IMMEDIATE;"
            "SET session_replication_role = replica;"
            "UPDATE quickscale_credits_credittransaction SET balance_after = 0 WHERE sequence = 2;"
            "SET session_replication_role = origin"
        )
    rules = [discrepancy.rule for discrepancy in ledger.verify()]
    assert rules == ["transaction.balance_after is the running sum"]
    assert ledger.rebuild(account) == []
    assert len(ledger.verify()) == 1


def test_a_corrupt_account_stops_no_other(make_owner, clock, caplog):
    accounts = [CreditAccount.objects.for_owner(make_owner()) for _ in range(3)]
    for days, each in enumerate(accounts, 1):
        ends = datetime(2030, 1, 1, tzinfo=UTC) + days * DAY
        each.add_credits(10, "Trial", credit_type="trial", expires_at=ends)
    change(f"creditaccount SET posted = 5 WHERE id = {accounts[0].pk}")
    clock.move(4 * DAY)
    assert ledger.expire_due() == 2
    assert f"Account {accounts[0].pk} can't be posted" in caplog.text
    assert ledger.expire_due(limit=1) == 0
    assert [each.transactions.count() for each in accounts] == [1, 2, 2]
