"""Requests that no ledger can carry out: a typed error that says why, and nothing written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from django.contrib.auth.models import AnonymousUser

from quickscale_credits import ledger
from quickscale_credits.amounts import parse_amount
from quickscale_credits.exceptions import CreditsError, InvalidAmountError, InvalidRequestError
from quickscale_credits.models import CreditAccount, CreditLot, CreditTransaction, Service

DAY = timedelta(days=1)
NAIVE = datetime(2040, 1, 1)
AWARE = datetime(2040, 1, 1, tzinfo=UTC)

BAD_AMOUNTS = [
    1.5,
    float("nan"),
    float("inf"),
    True,
    None,
    b"1",
    0,
    "0",
    "-0.0",
    -1,
    Decimal("-0.0001"),
    "0.00001",
    Decimal("1.23456"),
    "NaN",
    "sNaN",
    "Infinity",
    Decimal("Infinity"),
    "",
    "ten",
    "1,5",
    10**15,
    "1e15",
    Decimal(10) ** 40,
    "1e999999",
]


@pytest.fixture
def nothing_written(account):
    account.add_credits(100, "Bought")
    yield
    assert CreditTransaction.objects.count() == CreditLot.objects.count() == 1
    account.refresh_from_db()
    assert (account.posted, account.held) == (100, 0)
    assert not account.holds.exists()


@pytest.mark.parametrize("amount", BAD_AMOUNTS, ids=repr)
class TestAmounts:
    def test_is_refused(self, amount):
        with pytest.raises(InvalidAmountError, match="amount: "):
            parse_amount(amount)

    @pytest.mark.django_db
    def test_is_refused_by_every_operation(self, account, nothing_written, amount):
        for operation in (
            lambda: account.add_credits(amount, "Bought"),
            lambda: account.consume_credits(amount, "Work"),
            lambda: account.remove_credits(amount, "Mistake"),
            lambda: account.hold_credits(amount, "Work", ttl=DAY),
        ):
            with pytest.raises(InvalidAmountError) as caught:
                operation()
            assert isinstance(caught.value, CreditsError)
            assert isinstance(caught.value, ValueError)
            assert caught.value.argument == "amount"


@pytest.mark.parametrize(
    ("value", "amount"),
    [
        (1, "1.0000"),
        ("0.5", "0.5000"),
        (Decimal("0.0001"), "0.0001"),
        (Decimal("2.50000000"), "2.5000"),
        ("1e3", "1000.0000"),
        ("999999999999999.9999", "999999999999999.9999"),
    ],
    ids=repr,
)
def test_exact_amounts(value, amount):
    parsed = parse_amount(value)
    assert str(parsed) == amount


BAD_TEXTS = ["", "   ", None, 5, b"text", "nul\x00"]


@pytest.mark.usefixtures("nothing_written")
class TestArguments:
    @pytest.mark.parametrize("text", BAD_TEXTS, ids=repr)
    def test_description(self, account, text):
        for operation in (
            lambda: account.add_credits(1, text),
            lambda: account.consume_credits(1, text),
            lambda: account.remove_credits(1, text),
            lambda: account.hold_credits(1, text, ttl=DAY),
        ):
            with pytest.raises(InvalidRequestError, match="description: "):
                operation()

    @pytest.mark.parametrize("key", ["", "x" * 256, 1.5, b"key", "nul\x00"], ids=repr)
    def test_idempotency_key(self, account, key):
        with pytest.raises(InvalidRequestError, match="idempotency_key: "):
            account.consume_credits(1, "Work", idempotency_key=key)

    @pytest.mark.parametrize(
        ("argument", "lot"),
        [
            ("credit_type", {"credit_type": "gold"}),
            ("credit_type", {"credit_type": "overdraft"}),
            ("expires_at", {"credit_type": "subscription"}),
            ("expires_at", {"expires_at": AWARE}),
            ("expires_at", {"credit_type": "bonus", "expires_at": NAIVE}),
            ("expires_at", {"credit_type": "bonus", "expires_at": AWARE.date()}),
            (
                "expires_at",
                {"credit_type": "bonus", "expires_at": datetime(2020, 1, 1, tzinfo=UTC)},
            ),
            ("effective_at", {"effective_at": NAIVE}),
            ("source", {"source": "checkout"}),
            ("source", {"source": ("checkout", "")}),
            ("source", {"source": ("", "cs_1")}),
            ("source", {"source": ("x" * 41, "cs_1")}),
            ("source", {"source": ("checkout", None)}),
            ("priority", {"priority": -1}),
            ("priority", {"priority": 32767}),
            ("priority", {"priority": "first"}),
            ("cost", {"cost": 5}),
            ("cost", {"cost": (5.0, "eur")}),
            ("cost", {"cost": (-5, "eur")}),
            ("cost", {"cost": (5, "euro")}),
            ("period", {"period": AWARE}),
            ("period", {"period": (NAIVE, AWARE)}),
        ],
    )
    def test_lots(self, account, argument, lot):
        with pytest.raises(InvalidRequestError) as caught:
            account.add_credits(1, "Bought", **lot)
        assert caught.value.argument == argument

    @pytest.mark.parametrize(
        "metadata",
        [["a"], "a", {"a": object()}, {"a": float("nan")}, {"a": "\x00"}],
        ids=["list", "str", "object", "nan", "nul"],
    )
    def test_metadata(self, account, metadata):
        with pytest.raises(InvalidRequestError, match="metadata: "):
            account.consume_credits(1, "Work", metadata=metadata)

    @pytest.mark.parametrize("ttl", [None, 60, timedelta(0), -DAY, timedelta(days=36501)], ids=repr)
    def test_time_to_live(self, account, ttl):
        with pytest.raises(InvalidRequestError, match="ttl: "):
            account.hold_credits(1, "Work", ttl=ttl)

    def test_service(self, account):
        for service in ("summarise", Service(name="Unsaved")):
            with pytest.raises(InvalidRequestError, match="service: "):
                account.consume_credits(1, "Work", service=service)

    def test_actor(self, account):
        for actor in ("admin", AnonymousUser()):
            with pytest.raises(InvalidRequestError, match="actor: "):
                account.remove_credits(1, "Mistake", actor=actor)

    def test_account(self, account, owner):
        for other in (None, owner, CreditAccount()):
            with pytest.raises(InvalidRequestError, match="account: "):
                ledger.consume_credits(account=other, amount=1, description="Work")

    def test_policy(self, account):
        lot = account.lots.get()
        with pytest.raises(InvalidRequestError, match="policy: "):
            ledger.revoke(lot=lot, amount=1, reason="Refund", policy="forgive")

    def test_roll_over(self, account):
        with pytest.raises(InvalidRequestError, match="lot: "):
            ledger.roll_over(lot=account.lots.get(), expires_at=AWARE, description="Renewal")


def test_an_account_that_is_gone(account):
    CreditAccount.objects.filter(pk=account.pk).delete()
    with pytest.raises(CreditAccount.DoesNotExist):
        account.consume_credits(1, "Work")


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("period", (AWARE, AWARE - DAY)),
        ("period", (AWARE, None)),
        ("expires_at", datetime.max.replace(tzinfo=timezone(-5 * timedelta(hours=1)))),
        ("metadata", {"text": "\ud800"}),
        ("metadata", {"text": "a\x00b"}),
        ("description", "\ud800"),
    ],
)
def test_what_postgresql_cannot_take_is_refused(nothing_written, account, argument, value):
    request = {"amount": 1, "description": "Gift", "credit_type": "bonus", argument: value}
    with pytest.raises(InvalidRequestError, match=argument):
        account.add_credits(**request)


def test_a_backslash_is_no_nul(account):
    path = {"path": "C:\\u0000dir"}
    account.add_credits(1, "Gift", metadata=path)
    assert CreditTransaction.objects.get().metadata == path


def test_a_reversal_stays_below_the_limit_of_the_balance(account):
    account.add_credits(10**15 - 1, "Bought")
    used = account.consume_credits(5, "Work")
    account.add_credits(4, "Bought")
    with pytest.raises(InvalidAmountError, match="amount"):
        used.reverse(reason="It failed")
