"""What keeps the ledger fast: few round trips, indexes, and updates that change no index."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from quickscale_credits import ledger
from quickscale_credits.allotments import cancel_allotment, change_allotment, schedule_allotment
from quickscale_credits.models import CreditAccount, CreditLot, CreditTransaction

DAY = timedelta(days=1)


def test_an_operation_is_one_query(account, django_assert_num_queries, clock):
    lot = account.add_credits(100, "Bought").allocations.get().lot
    used = account.consume_credits(10, "Work")
    hold, other, third = (account.hold_credits(5, "Work", ttl=DAY) for _ in range(3))
    for operation in (
        lambda: account.add_credits(5, "Bought", source=("checkout", "1")),
        lambda: account.consume_credits(5, "Work", idempotency_key="k"),
        lambda: account.consume_credits(5, "Work", idempotency_key="k"),
        lambda: account.remove_credits(5, "Mistake"),
        lambda: account.hold_credits(5, "Work", ttl=DAY),
        lambda: hold.prolong(DAY),
        hold.capture,
        other.release,
        lambda: account.settle_credits(7, "Work", hold=third),
        lambda: used.reverse(5, reason="It failed"),
        lambda: ledger.revoke(lot=lot, amount=5, reason="Refund"),
        lambda: ledger.consume_many(
            [{"account": account, "amount": 1, "description": "Work"}] * 10
        ),
        account.get_balance,
        account.get_available_balance,
        account.get_balance_by_type,
        account.get_expiring_credits,
        lambda: ledger.verify(account),
    ):
        with django_assert_num_queries(1):
            operation()


def test_an_account_is_found_by_one_query(account, owner, django_assert_num_queries):
    with django_assert_num_queries(1):
        assert CreditAccount.objects.for_owner(owner) == account


@pytest.fixture
def crowded(account, make_owner):
    """An account with many used-up lots and many closed holds."""
    lot = account.add_credits(5, "Bought").allocations.get().lot
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO quickscale_credits_creditlot (account_id, credit_type, priority, amount,
                remaining, effective_at, created_at)
            SELECT %s, 'bonus', 20, 1, 0, now(), now() FROM generate_series(1, 2000)
            """,
            [account.pk],
        )
        cursor.execute(
            """
            WITH hold AS (
                INSERT INTO quickscale_credits_credithold (account_id, amount, status, description,
                    metadata, created_at, expires_at, closed_at)
                SELECT %s, 1, 'released', 'Work', '{}', now(), now() + '1 day', now()
                  FROM generate_series(1, 2000) RETURNING id, account_id)
            INSERT INTO quickscale_credits_creditholdallocation
                (account_id, hold_id, lot_id, amount)
            SELECT account_id, id, %s, 1 FROM hold
            """,
            [account.pk, lot.pk],
        )
        cursor.execute("ANALYZE quickscale_credits_creditlot, quickscale_credits_credithold")
    return account


def rows_read(sql, *parameters):
    """Return the number of table rows that a statement reads, with or without an index."""
    counted = "SELECT sum(seq_tup_read + idx_tup_fetch) FROM pg_stat_xact_user_tables"
    with connection.cursor() as cursor:
        cursor.execute(counted)
        (before,) = cursor.fetchone()
        cursor.execute(sql, parameters)
        cursor.execute(counted)
        (after,) = cursor.fetchone()
    return after - before


def plan_of(sql, *parameters):
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {sql}", parameters)
        return "\n".join(row[0] for row in cursor.fetchall())


def test_reads_find_open_lots_by_their_index(crowded):
    plan = CreditLot.objects.filter(account=crowded).live().explain()
    assert "qs_credits_lot_open" in plan
    assert "Seq Scan on quickscale_credits_creditlot" not in plan


def rows_picked_from(account):
    """Return the number of rows read to pick one credit, with the settings of a spend."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config(split_part(setting, '=', 1), split_part(setting, '=', 2), true)"
            "  FROM pg_proc, unnest(proconfig) setting WHERE proname = 'quickscale_credits_spend'"
        )
        assert cursor.rowcount > 0
    return rows_read(
        "SELECT * FROM quickscale_credits_creditaccount account,"
        " quickscale_credits_pick(account, 1, now()) WHERE account.id = %s",
        account.pk,
    )


def test_a_spend_reads_no_lots_that_are_used_up(crowded):
    assert rows_picked_from(crowded) < 50


def test_a_spend_reads_open_lots_in_their_order(crowded):
    """So it stops at the lots that it needs instead of sorting all of them."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE quickscale_credits_creditlot SET remaining = amount")
        cursor.execute("ANALYZE quickscale_credits_creditlot")
    assert rows_picked_from(crowded) < 50


def test_a_proof_of_one_account_knows_its_account(crowded):
    """PostgreSQL inlines the function, so the account is a constant in the plan."""
    plan = plan_of("SELECT * FROM quickscale_credits_verify(%s::bigint[])", [crowded.pk])
    assert f"(account_id = ANY ('{{{crowded.pk}}}'::bigint[]))" in plan


def test_open_holds_are_found_by_their_index(crowded):
    plan = plan_of(
        "SELECT id FROM quickscale_credits_credithold"
        " WHERE account_id = %s AND status = 'open' AND expires_at <= now()",
        crowded.pk,
    )
    assert "qs_credits_hold_open" in plan


@pytest.mark.parametrize(
    ("index", "sql"),
    [
        (
            "qs_credits_account_due",
            "SELECT id FROM quickscale_credits_creditaccount WHERE next_due_at <= now()"
            " ORDER BY next_due_at",
        ),
        (
            "quickscale_credits_transaction_idempotency",
            "SELECT id FROM quickscale_credits_credittransaction"
            " WHERE account_id = 1 AND idempotency_key = 'k' AND idempotency_key <> ''",
        ),
        (
            "quickscale_credits_transaction_sequence",
            "SELECT id FROM quickscale_credits_credittransaction"
            " WHERE account_id = 1 AND sequence < 9 ORDER BY sequence DESC LIMIT 20",
        ),
        (
            "qs_credits_lot_source",
            "SELECT id FROM quickscale_credits_creditlot"
            " WHERE source_type = 'checkout' AND source_id = '1' AND source_type <> ''",
        ),
        (
            "qs_credits_event_next",
            "SELECT id FROM quickscale_credits_creditevent"
            " WHERE delivered_at IS NULL AND next_attempt_at <= now() ORDER BY next_attempt_at",
        ),
    ],
)
@pytest.mark.django_db
def test_lookups_have_an_index(index, sql):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_bitmapscan = off")
        cursor.execute("SET LOCAL enable_sort = off")
    assert index in plan_of(sql)


@pytest.mark.parametrize("plans", ["force_generic_plan", "force_custom_plan"])
def test_sources_are_found_by_their_index(crowded, plans):
    """This includes the generic plan that a function's statement has after five calls."""
    begins = timezone.now() + DAY
    month = {"credit_type": "subscription", "expires_at": begins + 90 * DAY}
    lot = crowded.add_credits(10, "Plan", **month).allocations.get().lot
    year = {"account": crowded, "source": ("plan", "1")}
    scanned = (
        "SELECT seq_scan FROM pg_stat_xact_user_tables"
        " WHERE relname = 'quickscale_credits_creditlot'"
    )
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('plan_cache_mode', %s, true)", [plans])
        cursor.execute("DISCARD PLANS")
        cursor.execute(scanned)
        before = cursor.fetchone()
        for _ in range(2):
            crowded.add_credits(1, "Bought", source=("checkout", "1"))
            schedule_allotment(
                **year, amount=1, description="Plan", anchor=begins, until=begins + 40 * DAY
            )
            ledger.convert(lot=lot, description="Upgrade")
            change_allotment(**year, new_source=("plan", "2"), amount=2, description="Plus")
            cancel_allotment(account=crowded, source=("plan", "2"), reason="Cancelled")
        cursor.execute(scanned)
        assert cursor.fetchone() == before


@pytest.mark.django_db(transaction=True)
def test_a_spend_changes_no_index_of_account_and_lot(make_owner):
    if connection.pg_version < 150000:
        pytest.skip("statistics come late before PostgreSQL 15")
    account = CreditAccount.objects.for_owner(make_owner())
    account.add_credits(100, "Bought")
    tables = ["quickscale_credits_creditaccount", "quickscale_credits_creditlot"]

    def updates():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_stat_force_next_flush()")
            cursor.execute(
                "SELECT sum(n_tup_upd), sum(n_tup_hot_upd) FROM pg_stat_user_tables"
                " WHERE relname = ANY(%s)",
                [tables],
            )
            return cursor.fetchone()

    before = updates()
    for _ in range(10):
        account.consume_credits(1, "Work")
    after = updates()
    assert after[0] - before[0] == after[1] - before[1] == 20
    assert CreditTransaction.objects.count() == 11
