"""Each change of what an account may do leaves a record of who made it and why."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils.translation import gettext_lazy

from quickscale_credits import ledger
from quickscale_credits.exceptions import (
    AccountClosedError,
    InvalidAmountError,
    InvalidRequestError,
)
from quickscale_credits.models import AccountChange

VALUES = ("kind", "old", "new", "actor", "reason")


@pytest.fixture(autouse=True)
def sound_ledger(account):
    yield
    assert ledger.verify() == []


def changes(account):
    return list(account.changes.order_by("pk").values_list(*VALUES))


def test_each_change_is_recorded_with_who_and_why(account, member):
    by = {"account": account, "actor": member}
    ledger.freeze(**by, reason="Chargeback")
    ledger.unfreeze(**by, reason=gettext_lazy("It was won"))
    ledger.set_overdraft_limit(**by, limit=50, reason="A good customer")
    ledger.set_low_balance(**by, threshold="2.5", reason="She asked for it")
    ledger.set_low_balance(**by, threshold=None)
    ledger.close(account=account)
    assert changes(account) == [
        ("status", "active", "frozen", member.pk, "Chargeback"),
        ("status", "frozen", "active", member.pk, "It was won"),
        ("overdraft_limit", "0.0000", "50.0000", member.pk, "A good customer"),
        ("low_balance", "", "2.5000", member.pk, "She asked for it"),
        ("low_balance", "2.5000", "", member.pk, ""),
        ("status", "active", "closed", None, ""),
    ]


def test_who_and_why_may_be_left_out(account):
    ledger.freeze(account=account)
    ledger.unfreeze(account=account)
    ledger.set_overdraft_limit(account=account, limit=5)
    ledger.set_low_balance(account=account, threshold=1)
    ledger.close(account=account)
    assert [change[3:] for change in changes(account)] == [(None, "")] * 5


def test_the_person_who_closes_an_account_is_recorded(account, member):
    ledger.close(account=account, actor=member, reason="She asked for it")
    assert changes(account) == [("status", "active", "closed", member.pk, "She asked for it")]


def test_a_call_that_changes_nothing_leaves_no_record(account):
    ledger.freeze(account=account)
    for _ in range(2):
        ledger.freeze(account=account)
        ledger.set_overdraft_limit(account=account, limit=0)
        ledger.set_low_balance(account=account, threshold=None)
    assert len(changes(account)) == 1


def test_a_refusal_leaves_no_record(account):
    ledger.set_overdraft_limit(account=account, limit=10)
    account.consume_credits(10, "Work")
    with pytest.raises(InvalidAmountError):
        ledger.set_overdraft_limit(account=account, limit=5)
    ledger.close(account=account)
    with pytest.raises(AccountClosedError):
        ledger.unfreeze(account=account)
    assert [change[2] for change in changes(account)] == ["10.0000", "closed"]


def test_a_freeze_by_a_revocation_and_its_end_are_recorded(account, member):
    lot = account.add_credits(10, "Bought").allocations.get().lot
    account.consume_credits(10, "Work")
    dispute = ledger.revoke(lot=lot, amount=10, reason="Dispute", policy="freeze", actor=member)
    dispute.reverse(reason="It was won")
    assert changes(account) == [
        ("status", "active", "frozen", member.pk, "Dispute"),
        ("status", "frozen", "active", None, "It was won"),
    ]


def test_a_freeze_by_hand_replaces_a_freeze_by_a_revocation(account):
    lot = account.add_credits(10, "Bought").allocations.get().lot
    account.consume_credits(10, "Work")
    ledger.revoke(lot=lot, amount=10, reason="Dispute", policy="freeze")
    ledger.freeze(account=account, reason="For good")
    assert changes(account)[-1] == ("status", "frozen", "frozen", None, "For good")


@pytest.mark.parametrize("reason", [None, 5, "nul\x00"], ids=repr)
def test_a_reason_is_a_text(account, reason):
    with pytest.raises(InvalidRequestError, match="reason"):
        ledger.freeze(account=account, reason=reason)
    assert changes(account) == []


def test_who_did_it_is_there(account, make_user):
    gone = make_user("gone@example.com")
    key = gone.pk
    gone.delete()
    with pytest.raises(InvalidRequestError, match="actor"):
        ledger.freeze(account=account, actor=gone)
    gone.pk = key
    for change in (
        lambda: ledger.freeze(account=account, actor=gone),
        lambda: ledger.set_overdraft_limit(account=account, limit=1, actor=gone),
        lambda: ledger.set_low_balance(account=account, threshold=1, actor=gone),
    ):
        with pytest.raises(InvalidRequestError, match="actor: it no longer exists"):
            change()


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE quickscale_credits_accountchange SET reason = 'Nothing'",
        "DELETE FROM quickscale_credits_accountchange",
        "TRUNCATE quickscale_credits_accountchange",
    ],
)
def test_a_change_is_kept(account, sql):
    ledger.freeze(account=account, reason="Chargeback")
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        with pytest.raises(DatabaseError, match="refused"), transaction.atomic():
            cursor.execute(sql)
    assert AccountChange.objects.get().reason == "Chargeback"


@pytest.mark.parametrize(
    ("sql", "rule"),
    [
        ("status = 'active'", "account.status is what its last change says"),
        ("overdraft_limit = 999", "account.overdraft_limit is what its last change says"),
        ("low_balance_threshold = NULL", "account.low_balance_threshold is what"),
    ],
)
def test_a_change_that_bypasses_the_ledger_is_reported(account, sql, rule):
    ledger.freeze(account=account)
    ledger.set_low_balance(account=account, threshold=5)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE quickscale_credits_creditaccount SET {sql}")
        [found] = ledger.verify()
        assert found.rule.startswith(rule)
        transaction.set_rollback(True)


class TestCanSpend:
    def test_looks_at_holds_and_the_overdraft(self, account):
        account.add_credits(10, "Bought")
        account.hold_credits(4, "Work", ttl=timedelta(days=1))
        assert account.can_spend(6)
        assert not account.can_spend("6.0001")
        ledger.set_overdraft_limit(account=account, limit=3)
        assert account.can_spend(9)
        account.consume_credits(8, "Work")
        assert account.can_spend(1)
        assert not account.can_spend(2)

    @pytest.mark.parametrize("stop", [ledger.freeze, ledger.close])
    def test_looks_at_the_status(self, account, stop):
        account.add_credits(10, "Bought")
        stop(account=type(account).objects.get(pk=account.pk))
        assert not account.can_spend(1)
        assert account.get_available_balance() == 10

    @pytest.mark.parametrize("amount", [0, -1, 0.5, Decimal("0.00001")], ids=repr)
    def test_takes_an_amount(self, account, amount):
        with pytest.raises(InvalidAmountError):
            account.can_spend(amount)
