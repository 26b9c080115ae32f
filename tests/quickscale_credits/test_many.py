"""Many spends in one call: each has the result that it would have had on its own, in turn."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection

from quickscale_credits import ledger
from quickscale_credits.exceptions import (
    AccountClosedError,
    AccountFrozenError,
    CreditsError,
    IdempotencyConflictError,
    InsufficientCreditsError,
    InvalidRequestError,
)
from quickscale_credits.models import CreditAccount, CreditEvent, CreditTransaction
from quickscale_credits.testing import ServiceFactory
from tests.owners import make_user

DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def sound_ledger(account):
    yield
    with connection.cursor() as cursor:  # what a commit would check
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")
    assert ledger.verify() == []


@pytest.fixture
def other(make_owner):
    account = CreditAccount.objects.for_owner(make_owner())
    account.add_credits(10, "Bought")
    return account


def spend(account, amount, **kwargs):
    return {"account": account, "amount": amount, "description": "Work", **kwargs}


def spend_many(*spends):
    """Return the amount that each spend took, or the class of its error."""
    return [
        type(answer) if isinstance(answer, CreditsError) else -answer.amount
        for answer in ledger.consume_many(spends)
    ]


def test_spends_of_one_account_see_one_anothers_effect(account):
    account.add_credits(10, "Bought")
    assert spend_many(*[spend(account, amount) for amount in (6, 5, 3, 2, 1, 1)]) == [
        *(6, InsufficientCreditsError, 3),
        *(InsufficientCreditsError, 1, InsufficientCreditsError),
    ]


def test_a_refusal_has_the_figures_of_its_own_turn(account):
    account.add_credits(10, "Bought")
    _, refusal, _ = ledger.consume_many([spend(account, amount) for amount in (6, 5, 3)])
    assert (refusal.available, refusal.required, refusal.shortfall) == (4, 5, 1)


def test_answers_come_in_the_order_of_the_spends(account, other):
    account.add_credits(10, "Bought")
    spends = [spend(one, amount) for amount in (1, 2, 3) for one in (other, account)]
    answers = ledger.consume_many(spends)
    assert [(a.account_id, -a.amount) for a in answers] == [
        (one["account"].pk, one["amount"]) for one in spends
    ]
    assert [a.sequence for a in answers if a.account == account] == [2, 3, 4]
    assert [a.balance_after for a in answers if a.account == account] == [9, 7, 4]


def test_lots_are_taken_in_the_order_of_single_spends(account, clock):
    account.add_credits(9, "Bought")
    account.add_credits(4, "Ended", credit_type="trial", expires_at=clock.now + DAY)
    late = account.add_credits(4, "Gift", credit_type="bonus", expires_at=clock.now + 9 * DAY)
    soon = account.add_credits(4, "Gift", credit_type="bonus", expires_at=clock.now + 5 * DAY)
    account.add_credits(
        *(4, "Later"), credit_type="trial", effective_at=clock.now + 5 * DAY,
        expires_at=clock.now + 9 * DAY,
    )  # fmt: skip
    clock.move(2 * DAY)
    answers = ledger.consume_many([spend(account, amount) for amount in (3, 3, 3)])
    taken = [
        [(part.lot_id, -part.amount) for part in answer.allocations.order_by("id")]
        for answer in answers
    ]
    [first, second] = (entry.allocations.get().lot_id for entry in (soon, late))
    [bought] = account.lots.filter(credit_type="payg")
    assert taken == [[(first, 3)], [(first, 1), (second, 2)], [(second, 2), (bought.pk, 1)]]
    assert list(account.transactions.order_by("sequence").values_list("kind", flat=True)) == [
        *["grant"] * 5,
        "expire",
        *["consume"] * 3,
    ]


def test_the_overdraft_comes_last_and_as_far_as_it_goes(account):
    account.add_credits(5, "Bought")
    ledger.set_overdraft_limit(account=account, limit=4)
    assert spend_many(*[spend(account, 3)] * 4) == [3, 3, 3, InsufficientCreditsError]
    assert account.get_balance() == -4


def test_a_frozen_or_closed_account_refuses_its_own_spends(account, other, make_owner):
    account.add_credits(5, "Bought")
    ledger.freeze(account=account)
    closed = ledger.close(account=CreditAccount.objects.for_owner(make_owner()))
    assert spend_many(*[spend(one, 1) for one in (closed, other, account)]) == [
        AccountClosedError,
        1,
        AccountFrozenError,
    ]


class TestKeys:
    def test_twice_in_a_batch_is_one_spend(self, account):
        account.add_credits(5, "Bought")
        answers = ledger.consume_many([spend(account, 2, idempotency_key="k")] * 3)
        assert len({answer.pk for answer in answers}) == 1
        assert account.get_balance() == 3

    def test_for_another_request_is_a_conflict(self, account):
        account.add_credits(9, "Bought")
        key = {"idempotency_key": "k"}
        assert spend_many(spend(account, 2, **key), spend(account, 3, **key)) == [
            2,
            IdempotencyConflictError,
        ]
        assert spend_many(spend(account, 3, **key), spend(account, 2, **key)) == [
            IdempotencyConflictError,
            2,
        ]

    def test_of_a_refused_spend_is_free_for_the_next(self, account):
        account.add_credits(5, "Bought")
        spends = [spend(account, amount, idempotency_key="k") for amount in (9, 4, 9, 4)]
        assert spend_many(*spends) == [InsufficientCreditsError, 4, IdempotencyConflictError, 4]
        assert account.get_balance() == 1

    def test_belongs_to_its_account(self, account, other):
        account.add_credits(5, "Bought")
        spends = [spend(one, 1, idempotency_key="k") for one in (account, other)]
        assert len(set(ledger.consume_many(spends))) == 2

    def test_that_was_used_before_returns_its_spend_though_nothing_is_left(self, account):
        account.add_credits(2, "Bought")
        before = account.consume_credits(2, "Work", idempotency_key="k")
        again, refused = ledger.consume_many(
            [spend(account, 2, idempotency_key="k"), spend(account, 1)]
        )
        assert again == before
        assert isinstance(refused, InsufficientCreditsError)


class TestWhatIsGone:
    """Something is deleted between the caller's look at it and the spend."""

    def test_a_service(self, other):
        service = ServiceFactory()
        type(service).objects.filter(pk=service.pk).delete()
        kept = ServiceFactory()
        answers = ledger.consume_many(
            [spend(other, 1, service=service), spend(other, 2, service=kept), spend(other, 3)]
        )
        assert [getattr(answer, "argument", None) for answer in answers] == ["service", None, None]
        assert answers[1].service == kept
        with pytest.raises(InvalidRequestError, match="service: it no longer exists"):
            other.consume_credits(1, "Work", service=service)
        assert other.get_balance() == 5

    def test_an_actor(self, other):
        gone, kept = make_user(), make_user()
        type(gone).objects.filter(pk=gone.pk).delete()
        answers = ledger.consume_many(
            [spend(other, 1, actor=gone), spend(other, 2, actor=kept), spend(other, 3)]
        )
        assert [getattr(answer, "argument", None) for answer in answers] == ["actor", None, None]
        assert answers[1].actor == kept
        for operation in (other.consume_credits, other.remove_credits):
            with pytest.raises(InvalidRequestError, match="actor: it no longer exists"):
                operation(1, "Work", actor=gone)
        assert other.get_balance() == 5

    def test_an_account(self, other, make_owner):
        gone = CreditAccount.objects.for_owner(make_owner())
        CreditAccount.objects.filter(pk=gone.pk).delete()
        answers = ledger.consume_many([spend(gone, 1), spend(other, 2), spend(gone, 1)])
        assert [getattr(answer, "argument", None) for answer in answers] == [
            "account",
            None,
            "account",
        ]


TEXTS = ["a, b", '"quoted"', "back\\slash", '\\"', "{braces}", "NULL", " null ", "ü€😀", "%s %(a)s"]


@pytest.mark.parametrize("text", TEXTS)
def test_texts_arrive_as_they_were_sent(other, text):
    metadata = {"text": text, text: [1, None, {"deep": text}]}
    kwargs = {"idempotency_key": text, "metadata": metadata}
    answers = ledger.consume_many(
        [spend(other, 1), {**spend(other, 1, **kwargs), "description": text}]
    )
    entry = CreditTransaction.objects.get(pk=answers[1].pk)
    assert (entry.description, entry.idempotency_key, entry.metadata) == (text, text, metadata)
    assert (answers[1].description, answers[1].metadata) == (text, metadata)


def test_each_spend_is_reported_in_its_turn(account):
    ledger.set_low_balance(account=account, threshold=5)
    account.add_credits(10, "Bought")
    CreditEvent.objects.all().delete()
    ledger.consume_many([spend(account, amount) for amount in (4, 2, 1, 3)])
    events = CreditEvent.objects.order_by("id").values_list("kind", "payload__balance")
    assert [(kind, Decimal(balance)) for kind, balance in events] == [
        ("consumed", 6),
        ("consumed", 4),
        ("low_balance", 4),
        ("consumed", 3),
        ("consumed", 0),
        ("depleted", 0),
    ]


def test_a_batch_writes_each_balance_once(account, other):
    """This makes a batch fast, however large it is."""
    account.add_credits(500, "Bought")

    def updates():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT relname, n_tup_upd FROM pg_stat_xact_user_tables WHERE relname IN"
                " ('quickscale_credits_creditaccount', 'quickscale_credits_creditlot')"
            )
            return dict(cursor.fetchall())

    before = updates()
    spends = [spend(account, 1), spend(other, 1)] * 5 + [spend(account, 1)] * 290
    assert len(set(ledger.consume_many(spends))) == 300
    assert {table: count - before[table] for table, count in updates().items()} == dict.fromkeys(
        before, 2
    )


@pytest.mark.parametrize(
    ("wrong", "argument"),
    [
        ({"descripton": "Work", "description": "Work"}, "descripton"),
        ({"cost": 3, "description": "Work"}, "cost"),
        ({}, "description"),
    ],
    ids=repr,
)
def test_names_that_are_wrong_or_missing_fail_alone(account, wrong, argument):
    account.add_credits(10, "Bought")
    good = {"account": account, "amount": 1, "description": "Work"}
    answers = ledger.consume_many([good, {"account": account, "amount": 1, **wrong}, good])
    assert [type(answer) for answer in answers] == [
        CreditTransaction,
        InvalidRequestError,
        CreditTransaction,
    ]
    assert answers[1].argument == argument
    assert all(answer.account is account for answer in answers[::2])
    if argument in wrong:
        assert "only the arguments account, amount, description, service" in str(answers[1])
    assert account.get_balance() == 8
