"""Requests that can't be carried out raise an error that says why, and write nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import transaction

from quickscale_credits import ledger
from quickscale_credits.allotments import (
    cancel_allotment,
    change_allotment,
    schedule_allotment,
    spread_credits,
)
from quickscale_credits.exceptions import CreditsError, InvalidAmountError, InvalidRequestError
from quickscale_credits.internal.amounts import parse_amount
from quickscale_credits.models import CreditAccount, CreditLot, CreditTransaction, Service
from quickscale_credits.testing import ServiceFactory
from tests.owners import make_user

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


@pytest.mark.parametrize("amount", BAD_AMOUNTS, ids=repr)
@pytest.mark.django_db
def test_a_bad_amount_is_refused_wherever_one_is_taken(account, amount):
    month = {"credit_type": "subscription", "expires_at": AWARE}
    lot = account.add_credits(100, "Plan", **month).allocations.get().lot
    used = account.consume_credits(5, "Work")
    hold = account.hold_credits(5, "Work", ttl=DAY)
    before = CreditTransaction.objects.count()
    ends = AWARE + DAY
    term = {"description": "Year", "anchor": AWARE, "until": ends, "source": ("plan", "1")}
    operations = [
        ("amount", lambda: ledger.revoke(lot=lot, amount=amount, reason="Refund")),
        ("amount", lambda: schedule_allotment(account=account, amount=amount, **term)),
        ("amount", lambda: spread_credits(account=account, amount=amount, **term)),
        ("amount", lambda: change_allotment(
            account=account, source=("plan", "1"), new_source=("plan", "2"), amount=amount,
            description="Plan",
        )),
    ]  # fmt: skip
    if amount is not None:  # which means all of it, or no cap
        operations += [
            ("amount", lambda: used.reverse(amount, reason="It failed")),
            ("cap", lambda: ledger.convert(lot=lot, cap=amount, description="Upgrade")),
            ("cap", lambda: ledger.roll_over(
                lot=lot, cap=amount, expires_at=ends, description="Renewal")),
        ]  # fmt: skip
    if str(amount) not in ("0", "-0.0"):
        operations.append(
            ("limit", lambda: ledger.set_overdraft_limit(account=account, limit=amount))
        )
        if amount is not None:
            operations += [
                ("amount", lambda: hold.capture(amount)),
                ("threshold", lambda: ledger.set_low_balance(account=account, threshold=amount)),
            ]
    for argument, operation in operations:
        with pytest.raises(InvalidAmountError) as caught:
            operation()
        assert caught.value.argument == argument
    [answer] = ledger.consume_many([{"account": account, "amount": amount, "description": "Work"}])
    assert isinstance(answer, InvalidAmountError)
    hold.refresh_from_db()
    lot.refresh_from_db()
    account.refresh_from_db()
    assert CreditTransaction.objects.count() == before
    assert (hold.status, lot.remaining, lot.held) == ("open", 95, 5)
    assert (account.overdraft_limit, account.low_balance_threshold) == (0, None)


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

    @pytest.mark.parametrize("wrong", [None, 5, "lot", Service(), CreditLot()], ids=repr)
    def test_lot_hold_and_transaction(self, account, wrong):
        for argument, operation in (
            ("lot", lambda: ledger.revoke(lot=wrong, amount=1, reason="Refund")),
            ("lot", lambda: ledger.convert(lot=wrong, description="Upgrade")),
            ("lot", lambda: ledger.roll_over(lot=wrong, expires_at=AWARE, description="Renewal")),
            ("hold", lambda: ledger.capture(hold=wrong)),
            ("hold", lambda: ledger.release(hold=wrong)),
            ("transaction", lambda: ledger.reverse(transaction=wrong, reason="It failed")),
        ):
            with pytest.raises(InvalidRequestError) as caught:
                operation()
            assert caught.value.argument == argument

    def test_an_error_names_the_argument_as_the_function_does(self, account):
        lot = account.lots.get()
        entry = account.transactions.get()
        for argument, operation in (
            ("reason", lambda: ledger.reverse(transaction=entry, reason=" ")),
            ("reason", lambda: ledger.revoke(lot=lot, amount=1, reason=None)),
            ("to", lambda: ledger.transfer(lot=lot, to=None, description="Merged")),
        ):
            with pytest.raises(InvalidRequestError) as caught:
                operation()
            assert caught.value.argument == argument

    def test_times_without_a_zone_or_in_the_past(self, account):
        past = datetime(2020, 1, 1, tzinfo=UTC)
        term = {"account": account, "amount": 1, "description": "Year", "source": ("plan", "1")}
        for argument, operation in (
            ("anchor", lambda: schedule_allotment(anchor=NAIVE, until=AWARE, **term)),
            ("until", lambda: schedule_allotment(anchor=AWARE, until=NAIVE, **term)),
            ("until", lambda: schedule_allotment(anchor=AWARE, until=past, **term)),
            ("at", lambda: cancel_allotment(
                account=account, source=("plan", "1"), reason="Cancelled", at=NAIVE)),
        ):  # fmt: skip
            with pytest.raises(InvalidRequestError) as caught:
                operation()
            assert caught.value.argument == argument

    def test_roll_over(self, account):
        with pytest.raises(InvalidRequestError, match="lot: "):
            ledger.roll_over(lot=account.lots.get(), expires_at=AWARE, description="Renewal")


@pytest.mark.parametrize("ends", [NAIVE, datetime(2020, 1, 1, tzinfo=UTC), None], ids=str)
def test_a_roll_over_to_a_bad_end(account, ends):
    entry = account.add_credits(5, "Plan", credit_type="subscription", expires_at=AWARE)
    with pytest.raises(InvalidRequestError, match="expires_at: "):
        ledger.roll_over(lot=entry.allocations.get().lot, expires_at=ends, description="Renewal")
    assert CreditTransaction.objects.get() == entry


@pytest.mark.django_db(transaction=True)
class TestWhatIsGone:
    """An actor or a service that was deleted is refused at once, not at the commit."""

    @pytest.fixture
    def actor(self):
        user = make_user()
        type(user)._default_manager.filter(pk=user.pk).delete()
        return user

    def test_actor(self, account, actor):
        month = {"credit_type": "subscription", "expires_at": AWARE}
        lot = account.add_credits(100, "Plan", **month).allocations.get().lot
        used = account.consume_credits(5, "Work")
        year = {"account": account, "source": ("plan", "1")}
        term = {**year, "amount": 1, "description": "Year", "anchor": AWARE - DAY, "until": AWARE}
        schedule_allotment(**term)
        term["source"] = ("plan", "2")
        before = CreditTransaction.objects.count()
        with transaction.atomic():
            for operation in (
                lambda **who: account.add_credits(1, "Bought", **who),
                lambda **who: account.consume_credits(1, "Work", **who),
                lambda **who: account.remove_credits(1, "Mistake", **who),
                lambda **who: account.hold_credits(1, "Work", ttl=DAY, **who),
                lambda **who: used.reverse(reason="It failed", **who),
                lambda **who: ledger.revoke(lot=lot, amount=1, reason="Refund", **who),
                lambda **who: ledger.convert(lot=lot, description="Upgrade", **who),
                lambda **who: ledger.roll_over(
                    lot=lot, expires_at=AWARE + DAY, description="Renewal", **who),
                lambda **who: schedule_allotment(**term, **who),
                lambda **who: change_allotment(
                    **year, new_source=("plan", "3"), amount=2, description="Plus", **who),
                lambda **who: cancel_allotment(**year, reason="Cancelled", **who),
                lambda **who: ledger.freeze(account=account, **who),
            ):  # fmt: skip
                with pytest.raises(InvalidRequestError, match="actor: "):
                    operation(actor=actor)
        assert CreditTransaction.objects.count() == before
        assert not account.holds.exists()

    def test_service(self, account):
        account.add_credits(100, "Bought")
        service = ServiceFactory(name="Gone", slug="gone", cost=1)
        Service.objects.filter(pk=service.pk).delete()
        with transaction.atomic():
            for operation in (
                lambda: account.consume_credits(1, "Work", service=service),
                lambda: account.hold_credits(1, "Work", ttl=DAY, service=service),
            ):
                with pytest.raises(InvalidRequestError, match="service: "):
                    operation()
        assert CreditTransaction.objects.count() == 1
        assert not account.holds.exists()


def test_an_account_that_was_deleted(account):
    CreditAccount.objects.filter(pk=account.pk).delete()
    with pytest.raises(CreditAccount.DoesNotExist):
        account.consume_credits(1, "Work")
    with pytest.raises(CreditAccount.DoesNotExist):
        ledger.freeze(account=account)


@pytest.mark.parametrize("threshold", [0, "0.5"])
def test_a_balance_may_count_as_low_at_zero(account, threshold):
    ledger.set_low_balance(account=account, threshold=threshold)
    account.refresh_from_db()
    assert account.low_balance_threshold == Decimal(threshold)


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


def test_a_backslash_is_not_a_nul(account):
    path = {"path": "C:\\u0000dir"}
    account.add_credits(1, "Gift", metadata=path)
    assert CreditTransaction.objects.get().metadata == path


def test_a_reversal_stays_below_the_limit_of_the_balance(account):
    account.add_credits(10**15 - 1, "Bought")
    used = account.consume_credits(5, "Work")
    account.add_credits(4, "Bought")
    with pytest.raises(InvalidAmountError, match="amount"):
        used.reverse(reason="It failed")
