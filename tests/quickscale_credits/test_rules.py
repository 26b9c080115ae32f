"""PostgreSQL itself refuses what the ledger would never write."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction

from quickscale_credits import ledger
from quickscale_credits.models import CreditAccount, CreditHold, CreditLot
from tests.owners import make_owner

pytestmark = pytest.mark.django_db

TABLES = {
    "account": "quickscale_credits_creditaccount",
    "lot": "quickscale_credits_creditlot",
    "entry": "quickscale_credits_credittransaction",
    "allocation": "quickscale_credits_creditallocation",
    "hold": "quickscale_credits_credithold",
    "hold_allocation": "quickscale_credits_creditholdallocation",
    "claim": "quickscale_credits_creditclaim",
}
NEW_ENTRY = """
    INSERT INTO {entry} (account_id, sequence, kind, amount, balance_after, description, metadata,
                         created_at)
    VALUES (%(account)s, {sequence}, '{kind}', {amount}, {balance}, 'Forged', '{{}}', now())
    RETURNING id
"""
NEW_LOT = """
    INSERT INTO {lot} (account_id, credit_type, priority, amount, remaining, effective_at,
                       expires_at, source_type, source_id, created_at)
    VALUES (%(account)s, '{type}', 1, 5, 0, now(), {end}, '{source}', '1', now())
"""
EXPLAIN_ENTRY = """
    WITH entry AS ({new_entry})
    INSERT INTO {allocation} (account_id, transaction_id, lot_id, amount)
    SELECT %(account)s, id, %(lot)s, {part} FROM entry
"""


@pytest.fixture
def ids(account, make_user):
    """Ids of an account with 100 credits, 10 used and 25 held, and of another account's lot."""
    account.add_credits(100, "Bought", source=("checkout", "1"))
    used = account.consume_credits(10, "Work")
    hold = account.hold_credits(20, "Work", ttl=timedelta(days=1))
    second = account.hold_credits(5, "Work", ttl=timedelta(days=1), actor=make_user())
    other = CreditAccount.objects.for_owner(make_owner())
    foreign = other.add_credits(100, "Bought")
    with connection.cursor() as cursor:  # what a commit would check
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")
    return {
        "account": account.pk,
        "lot": account.lots.get().pk,
        "used": used.pk,
        "hold": hold.pk,
        "other_owner": other.owner_id,
        "second_hold": second.pk,
        "other": other.pk,
        "foreign_lot": foreign.allocations.get().lot_id,
        "foreign_entry": foreign.pk,
    }


def attack(sql, ids, **names):
    with transaction.atomic(), connection.cursor() as cursor:
        new_entry = NEW_ENTRY.format(
            **{"kind": "consume", "amount": -5, "balance": 85, "sequence": 3, **TABLES, **names}
        )
        cursor.execute(sql.format(**{**TABLES, "new_entry": new_entry, **names}), ids)
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


ATTACKS = {
    "overspend an account": "UPDATE {account} SET posted = -1, held = 0 WHERE id = %(account)s",
    "hold more than there is": "UPDATE {account} SET held = 101 WHERE id = %(account)s",
    "hold less than nothing": "UPDATE {account} SET held = -1 WHERE id = %(account)s",
    "overspend a lot": "UPDATE {lot} SET remaining = -1, held = 0 WHERE id = %(lot)s",
    "fill a lot beyond its amount": "UPDATE {lot} SET remaining = 101 WHERE id = %(lot)s",
    "hold more than a lot has": "UPDATE {lot} SET held = 91 WHERE id = %(lot)s",
    "edit history": "UPDATE {entry} SET amount = -1 WHERE id = %(used)s",
    "reword history": "UPDATE {entry} SET description = 'x' WHERE id = %(used)s",
    "delete history": "DELETE FROM {entry} WHERE id = %(used)s",
    "edit an allocation": "UPDATE {allocation} SET amount = -1 WHERE transaction_id = %(used)s",
    "delete an allocation": "DELETE FROM {allocation} WHERE transaction_id = %(used)s",
    "empty the journal": "TRUNCATE {entry} CASCADE",
    "empty the allocations": "TRUNCATE {allocation}",
    "delete an account": "DELETE FROM {account} WHERE id = %(account)s",
    "delete a lot": "DELETE FROM {lot} WHERE id = %(lot)s",
    "draw on another account's lot": (
        "INSERT INTO {allocation} (account_id, transaction_id, lot_id, amount)"
        " VALUES (%(account)s, %(used)s, %(foreign_lot)s, 0)"
    ),
    "explain another account's transaction": (
        "INSERT INTO {allocation} (account_id, transaction_id, lot_id, amount)"
        " VALUES (%(account)s, %(foreign_entry)s, %(lot)s, 0)"
    ),
    "add to an explanation later": (
        "INSERT INTO {allocation} (account_id, transaction_id, lot_id, amount)"
        " VALUES (%(other)s, %(foreign_entry)s, %(foreign_lot)s, -5)"
    ),
    "write a line without explanation": "{new_entry}",
    "change what a hold has": "UPDATE {hold} SET amount = 21 WHERE id = %(hold)s",
    "change what a hold sets aside": (
        "UPDATE {hold_allocation} SET amount = 19 WHERE hold_id = %(hold)s"
    ),
    "delete what a hold sets aside": "DELETE FROM {hold_allocation} WHERE hold_id = %(hold)s",
    "move what a hold sets aside to another": (
        "UPDATE {hold_allocation} SET hold_id = %(second_hold)s WHERE hold_id = %(hold)s;"
        "UPDATE {hold} SET amount = 25 WHERE id = %(second_hold)s"
    ),
    "delete an open hold and what it sets aside": (
        "DELETE FROM {hold_allocation} WHERE hold_id = %(hold)s;"
        "DELETE FROM {hold} WHERE id = %(hold)s"
    ),
    "make a claim on another account's lot": (
        "INSERT INTO {claim} (account_id, lot_id, revocation_id, transaction_id, amount)"
        " VALUES (%(account)s, %(foreign_lot)s, %(used)s, %(used)s, 1)"
    ),
    "owe less than nothing": "UPDATE {lot} SET owed = -1 WHERE id = %(lot)s",
    "hold another account's lot": (
        "UPDATE {hold_allocation} SET lot_id = %(foreign_lot)s WHERE hold_id = %(hold)s"
    ),
    "give an account to somebody else": (
        "UPDATE {account} SET owner_id = %(other_owner)s WHERE id = %(account)s"
    ),
    "let a hold end earlier": (
        "UPDATE {hold} SET expires_at = expires_at - interval '1 second' WHERE id = %(hold)s"
    ),
    "overspend with a line of the attacker": (
        "UPDATE {account} SET next_sequence = next_sequence + 1 WHERE id = %(account)s;"
        "WITH entry AS (INSERT INTO {entry} (account_id, sequence, kind, amount, balance_after,"
        " description, metadata, created_at)"
        " VALUES (%(account)s, 3, 'consume', -1000, -910, 'Forged', '{{}}', now()) RETURNING id)"
        " INSERT INTO {allocation} (account_id, transaction_id, lot_id, amount)"
        " SELECT %(account)s, id, %(lot)s, -1000 FROM entry"
    ),
    "overspend and leave room for another line": (
        "UPDATE {account} SET next_sequence = next_sequence + 2 WHERE id = %(account)s;"
        "WITH entry AS (INSERT INTO {entry} (account_id, sequence, kind, amount, balance_after,"
        " description, metadata, created_at)"
        " VALUES (%(account)s, 3, 'consume', -1000, -910, 'Forged', '{{}}', now()) RETURNING id)"
        " INSERT INTO {allocation} (account_id, transaction_id, lot_id, amount)"
        " SELECT %(account)s, id, %(lot)s, -1000 FROM entry"
    ),
    "capture more than was held": (
        "UPDATE {hold} SET status = 'captured', captured = 21, closed_at = now()"
        " WHERE id = %(hold)s"
    ),
    "close a hold without a time": "UPDATE {hold} SET status = 'released' WHERE id = %(hold)s",
    "a line of another account's hold": (
        "INSERT INTO {entry} (account_id, sequence, kind, amount, balance_after, description,"
        " metadata, created_at, hold_id)"
        " VALUES (%(other)s, 2, 'consume', -1, 99, 'Forged', '{{}}', now(), %(hold)s)"
    ),
}


@pytest.mark.parametrize("sql", ATTACKS.values(), ids=ATTACKS.keys())
def test_attacks_are_refused(ids, sql):
    with pytest.raises(IntegrityError):
        attack(sql, ids)
    assert ledger.verify() == []


def test_no_term_of_a_lot_or_hold_changes(ids):
    """Only what is left of a lot changes, and the end of a hold, which may move to a later time."""
    changes = {
        "lot": {
            "account_id": "%(other)s",
            "amount": "amount + 1",
            "cost_amount": "1",
            "cost_currency": "'eur'",
            "created_at": "now()",
            "credit_type": "'bonus'",
            "effective_at": "now()",
            "expires_at": "now() + interval '9 years'",
            "parent_id": "%(lot)s",
            "period_end": "now()",
            "period_start": "now()",
            "priority": "1",
            "source_id": "'2'",
            "source_type": "'gift'",
            "transferred_from_id": "%(lot)s",
        },
        "hold": {
            "account_id": "%(other)s",
            "actor_id": "(SELECT actor_id FROM {hold} WHERE id = %(second_hold)s)",
            "amount": "amount + 1",
            "created_at": "now()",
            "description": "'Other work'",
            "fingerprint": "'f'",
            "idempotency_key": "'k'",
            "metadata": "'{{\"a\": 1}}'",
            "service_id": "1",
        },
    }
    kept_by_sums = {"remaining", "held", "lost", "owed", "captured"}
    free = kept_by_sums | {"id", "is_open", "owes", "warned_at", "status", "closed_at"}
    for name, columns in changes.items():
        model = {"lot": CreditLot, "hold": CreditHold}[name]
        known = {field.column for field in model._meta.concrete_fields} - free
        assert known - {"expires_at"} == set(columns) - {"expires_at"}
        for column, value in columns.items():
            with pytest.raises(IntegrityError):
                attack(f"UPDATE {{{name}}} SET {column} = {value} WHERE id = %({name})s", ids)
    attack("UPDATE {hold} SET expires_at = expires_at + interval '1 day'", ids)
    assert ledger.verify() == []


FORGERIES = {
    "that its allocations don't explain": {"part": -4},
    "with the number of another": {"sequence": 2},
    "after a gap": {"sequence": 4},
    "with a wrong balance": {"balance": 84},
    "that the account doesn't count": {},
    "of use that adds": {"amount": 5, "balance": 95, "part": 5},
    "of a grant that takes": {"kind": "grant"},
    "of a conversion that takes": {"kind": "convert"},
    "of a reversal of nothing": {"kind": "reverse", "amount": 5, "balance": 95, "part": 5},
}


@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES.keys())
def test_forged_lines_are_refused(ids, forgery):
    with pytest.raises(IntegrityError):
        attack(EXPLAIN_ENTRY, ids, **{"part": -5, **forgery})


LOTS = {
    "a subscription without end": {"type": "subscription", "end": "NULL", "source": ""},
    "pay-as-you-go with an end": {"type": "payg", "end": "now() + '1 day'", "source": ""},
    "an end before the start": {"type": "bonus", "end": "now() - interval '1 day'", "source": ""},
    "a source that has its lot": {"type": "payg", "end": "NULL", "source": "checkout"},
}


@pytest.mark.parametrize("lot", LOTS.values(), ids=LOTS.keys())
def test_lots_are_refused(ids, lot):
    with pytest.raises(IntegrityError):
        attack(NEW_LOT, ids, **lot)


def test_the_same_key_twice_is_refused(account):
    account.add_credits(5, "Bought", idempotency_key="k")
    with pytest.raises(IntegrityError):
        attack(
            "INSERT INTO {entry} (account_id, sequence, kind, amount, balance_after, description,"
            " metadata, created_at, idempotency_key)"
            " VALUES (%(account)s, 2, 'grant', 1, 6, 'Forged', '{{}}', now(), 'k')",
            {"account": account.pk},
        )


def test_nothing_is_added_to_an_explanation_even_if_it_sums_to_nothing(account):
    used = account.add_credits(5, "Bought")
    lots = [account.add_credits(9, "Bought").allocations.get().lot_id for _ in range(2)]
    with pytest.raises(IntegrityError, match="come late"):
        attack(
            "INSERT INTO {allocation} (account_id, transaction_id, lot_id, amount)"
            " VALUES (%(account)s, %(used)s, %(to)s, 4), (%(account)s, %(used)s, %(of)s, -4)",
            {"account": account.pk, "used": used.pk, "to": lots[0], "of": lots[1]},
        )


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE {claim} SET amount = 1",
        "UPDATE {claim} SET revocation_id = 0",
        "DELETE FROM {claim}",
    ],
)
def test_what_is_owed_to_a_revocation_is_kept(account, sql):
    lot = account.add_credits(10, "Bought").allocations.get().lot
    account.consume_credits(10, "Work")
    ledger.revoke(lot=lot, amount=10, reason="Refund")
    with pytest.raises(IntegrityError):
        attack(sql, {"account": account.pk})


def test_every_key_has_a_constraint_but_the_outboxs():
    """Where a model's field declares no constraint, the ledger's own rules add it."""
    unguarded = set()
    for model in apps.get_app_config("quickscale_credits").get_models():
        with connection.cursor() as cursor:
            constraints = connection.introspection.get_constraints(cursor, model._meta.db_table)
        guarded = {
            c for each in constraints.values() if each["foreign_key"] for c in each["columns"]
        }
        unguarded |= {
            (model.__name__, field.name)
            for field in model._meta.local_fields
            if field.remote_field and field.column not in guarded
        }
    assert unguarded == {("CreditEvent", "account")}


def test_keys_of_users_may_become_longer(account, make_user):
    """Django does this when ``DEFAULT_AUTO_FIELD`` changes; open sessions keep working."""
    users = get_user_model()._meta
    if users.pk.get_internal_type() != "BigAutoField":
        pytest.skip("Django knows other keys of this site's users")
    account.add_credits(10, "Bought")

    def change_type(name):
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")
            cursor.execute(
                "SELECT conrelid::regclass, attname FROM pg_constraint JOIN pg_attribute"
                " ON attrelid = conrelid AND attnum = conkey[1]"
                " WHERE contype = 'f' AND confrelid = %s::regclass",
                [users.db_table],
            )
            columns = [*cursor.fetchall(), (users.db_table, users.pk.column)]
            for table, column in columns:
                cursor.execute(f"ALTER TABLE {table} ALTER {column} TYPE {name}")
        call_command("migrate", verbosity=0)

    def use(actor):
        account.add_credits(5, "Bought", actor=actor)
        account.consume_credits(1, "Work", actor=actor).reverse(reason="It failed", actor=actor)
        ledger.set_low_balance(account=account, threshold=account.next_sequence, actor=actor)
        hold = account.hold_credits(1, "Work", ttl=timedelta(days=1), actor=actor)
        return hold.capture()

    change_type("integer")
    use(make_user())
    change_type("bigint")
    late = make_user()
    get_user_model().objects.filter(pk=late.pk).update(**{users.pk.name: 3 * 10**9})
    late = get_user_model().objects.get(pk=3 * 10**9)
    assert use(late).actor == late
    assert ledger.verify() == []


def test_the_schema_can_be_taken_back():
    call_command("migrate", "quickscale_credits", "zero", verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relname LIKE 'quickscale_credits%%'"
            " UNION SELECT proname FROM pg_proc WHERE proname LIKE 'quickscale_credits%%'"
            " UNION SELECT typname FROM pg_type WHERE typname LIKE 'quickscale_credits%%'"
        )
        assert cursor.fetchall() == []
    call_command("migrate", verbosity=0)
    account = CreditAccount.objects.for_owner(make_owner())
    account.add_credits(1, "Bought")
    assert account.get_balance() == 1
