"""A long history makes no spend, balance or page slower: PostgreSQL counts the rows read.

``QUICKSCALE_HISTORY`` is the number of lines of the long history. It has a fifth as many used-up
lots, and a fifth as many closed holds.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from datetime import timedelta
from functools import partial

import pytest
from django.db import connection, transaction
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext

from benchmarks import history
from quickscale_credits import ledger
from quickscale_credits.models import CreditAccount, CreditTransaction
from quickscale_credits.pages.filters import SORTS, HistoryFilter
from quickscale_credits.pages.paging import Keyset
from tests.owners import make_owner

ROWS = int(os.environ.get("QUICKSCALE_HISTORY", "5000"))
USED_UP_LOTS = CLOSED_HOLDS = min(ROWS // 5, 20_000)
OTHER_ACCOUNTS = 100
TABLES = [
    f"quickscale_credits_{name}"
    for name in (
        "creditaccount",
        "creditallocation",
        "creditevent",
        "credithold",
        "creditholdallocation",
        "creditlot",
        "credittransaction",
    )
]
# The number of rows that an operation may read in all tables; a transfer works on two accounts.
ENOUGH = 50

HOLDS = """
WITH holds AS (
    INSERT INTO quickscale_credits_credithold
        (account_id, amount, status, description, metadata, created_at, expires_at, closed_at)
    SELECT %(account)s, 1, 'released', 'Work', '{}', now(), now() + interval '1 minute', now()
      FROM generate_series(1, %(holds)s)
    RETURNING id)
INSERT INTO quickscale_credits_creditholdallocation (account_id, hold_id, lot_id, amount)
SELECT %(account)s, id, %(lot)s, 1 FROM holds
"""


def execute(sql, parameters=None):
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="module")
def site(django_db_setup, django_db_blocker):
    """The accounts ``long`` and ``short`` of a site that has been in use for a long time."""
    with django_db_blocker.unblock(), transaction.atomic():
        owners = [make_owner() for _ in range(OTHER_ACCOUNTS + 2)]
        CreditAccount.objects.bulk_create(CreditAccount(owner=owner) for owner in owners)
        long, short = (CreditAccount.objects.for_owner(owner) for owner in owners[:2])
        for account, rows, lots, holds in (
            (short, 10, 3, 3),
            (long, ROWS, USED_UP_LOTS, CLOSED_HOLDS),
        ):
            first = account.add_credits(history.BALANCE, "Bought", source=("test", str(account.pk)))
            account.consume_credits(1, "Request", idempotency_key="first")
            history.add_spends(account, rows, using="default")
            history.add_used_up_lots(account, lots, using="default")
            lot = account.lots.earliest("pk").pk
            execute(HOLDS, {"account": account.pk, "lot": lot, "holds": holds})
            assert account.transactions.earliest("sequence") == first
        for owner in owners[2:]:
            account = CreditAccount.objects.for_owner(owner)
            account.add_credits(1, "Bought")
            account.hold_credits(1, "Work", ttl=timedelta(hours=1))
            history.add_used_up_lots(account, 30, using="default")
        execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")
        for table in TABLES:
            execute(f"ANALYZE {table}")
        yield {"long": long, "short": short}
        transaction.set_rollback(True)


def reads():
    """Return the sequential scans of each table in this transaction and the number of rows read."""
    rows = execute(
        "SELECT relname, seq_scan, seq_tup_read + coalesce(idx_tup_fetch, 0)"
        " FROM pg_stat_xact_user_tables WHERE relname = ANY(%s)",
        [TABLES],
    )
    scans = Counter({table: scans for table, scans, _read in rows})
    return scans, sum(read for _table, _scans, read in rows)


def cost(operation):
    """Return the tables that an operation scanned and the number of rows it read.

    Constraints are included. A scan of a small table may be the cheapest plan, so only the scans
    that no index can replace are counted.
    """
    execute("SET LOCAL enable_seqscan = off")
    scans, read = reads()
    operation()
    execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")
    scans_after, read_after = reads()
    return scans_after - scans, read_after - read


def capture(account):
    account.hold_credits(2, "Work", ttl=timedelta(hours=1)).capture(1)


def prolong(account):
    account.hold_credits(2, "Work", ttl=timedelta(hours=1)).prolong(timedelta(hours=2))


def settle(account):
    hold = account.hold_credits(2, "Work", ttl=timedelta(hours=1))
    account.settle_credits(3, "Work", hold=hold)


def release(account):
    account.hold_credits(2, "Work", ttl=timedelta(hours=1)).release()


def balance_with_a_hold(account):
    account.hold_credits(2, "Work", ttl=timedelta(hours=1))
    account.get_balance()


def reverse(account):
    account.transactions.get(sequence=3).reverse(reason="It failed")


def revoke(account):
    ledger.revoke(lot=account.lots.order_by("pk")[0], amount=1, reason="Refund")


def transfer(account):
    other = CreditAccount.objects.exclude(pk=account.pk).order_by("pk")[0]
    ledger.transfer(
        lot=account.lots.filter(is_open=True)[0], to=other, amount=1, description="Merged"
    )


WRITES = {
    "spend": lambda account: account.consume_credits(1, "Request"),
    "transfer": transfer,
    "freeze": lambda account: ledger.freeze(account=account, reason="Chargeback"),
    "spend with a new key": lambda account: account.consume_credits(
        1, "Request", idempotency_key="new"
    ),
    "spend again with an old key": lambda account: account.consume_credits(
        1, "Request", idempotency_key="first"
    ),
    "add": lambda account: account.add_credits(1, "Bought"),
    "add again for an old source": lambda account: account.add_credits(
        history.BALANCE, "Bought", source=("test", str(account.pk))
    ),
    "remove": lambda account: account.remove_credits(1, "Mistake"),
    "hold and capture": capture,
    "hold and prolong": prolong,
    "hold and settle": settle,
    "hold and release": release,
    "reverse the oldest": reverse,
    "revoke from the oldest": revoke,
    "spend many": lambda account: ledger.consume_many(
        [{"account": account, "amount": 1, "description": "Request"}]
    ),
}
READS = {
    "can spend": lambda account: account.can_spend(1),
    "balance": CreditAccount.get_balance,
    "balance with a hold": balance_with_a_hold,
    "available balance": CreditAccount.get_available_balance,
    "balance by type": CreditAccount.get_balance_by_type,
    "expiring credits": CreditAccount.get_expiring_credits,
}


def pages(account, sort="newest"):
    entries = account.transactions.select_related("service")
    _label, field, descending = SORTS[sort]
    return Keyset(entries, field=field, tie="sequence", descending=descending)


@pytest.mark.parametrize("name", [*WRITES, *READS])
def test_an_operation_reads_as_little_of_a_long_history_as_of_a_short_one(site, db, name):
    operation = {**WRITES, **READS}[name]
    scans, read = cost(partial(operation, site["long"]))
    assert not scans
    assert 0 < read <= ENOUGH


@pytest.mark.parametrize("depth", ["first", "deep"])
def test_a_page_of_the_history_reads_its_own_rows_only(site, db, depth):
    after = str(ROWS // 10) if depth == "deep" else ""
    scans, read = cost(lambda: pages(site["long"]).page(after=after))
    assert not scans
    assert read == 26


def test_verifying_an_account_reads_that_account_only(site, db):
    entries = CreditTransaction.objects.filter(account=site["short"]).count()
    scans, read = cost(lambda: ledger.verify(site["short"]))
    assert not scans
    assert read <= 20 * entries


def plan(queries):
    """Return the plan of the only query in ``queries``."""
    [query] = queries
    return "\n".join(line for [line] in execute(f"EXPLAIN {query['sql']}"))


def test_the_balance_is_one_query_and_one_probe_of_the_index_of_open_lots(site, db):
    with CaptureQueriesContext(connection) as queries:
        site["long"].get_balance()
    text = plan(queries)
    assert text.count("qs_credits_lot_open") == 1
    assert "Seq Scan" not in text


def test_a_deep_page_begins_in_the_index(site, db):
    with CaptureQueriesContext(connection) as queries:
        pages(site["long"]).page(after=str(ROWS // 10))
    text = plan(queries)
    assert "Index Scan Backward using quickscale_credits_transaction_sequence" in text
    assert "(sequence < " in text
    assert "Sort" not in text


@pytest.mark.parametrize("sort", SORTS)
def test_no_page_of_any_order_reads_or_sorts_all_rows(site, db, sort):
    """The test pages into the middle of thousands of lines of the same amount, and back."""
    account = site["long"]
    keyset = pages(account, sort)
    middle = account.transactions.get(sequence=ROWS // 2)
    cursor = "_".join(str(getattr(middle, field)) for field in keyset.fields)
    for where in ({}, {"after": cursor}, {"before": cursor}):
        with CaptureQueriesContext(connection) as queries:
            scans, read = cost(lambda where=where: keyset.page(**where))
        assert not scans
        assert read == 26
        for query in queries:
            if 'FROM "quickscale_credits_credittransaction"' in query["sql"]:
                text = plan([query])
                assert re.search(r"Index Scan .*using (quickscale|qs)_credits_t", text)
                assert "Seq Scan on quickscale_credits_credittransaction" not in text
                assert "Sort" not in text


FILTERS = {
    "kind": "kind=expire",
    "type": "type=bonus",
    "text": "text=nothing+has+this",
    "since": "since=2999-01-01",
    "until": "until=1999-01-01",
    "export": "type=bonus&sort=used",
}


@pytest.mark.parametrize("query", FILTERS.values(), ids=FILTERS)
def test_a_filter_reads_the_lines_of_its_account_only(site, db, query):
    filter_ = HistoryFilter(QueryDict(query), site["short"].transactions.all())
    field, descending = filter_.ordering
    keyset = Keyset(
        filter_.qs,
        field=field,
        tie="sequence",
        descending=descending,
    )
    entries = site["short"].transactions.count()
    scans, read = cost(lambda: keyset.page())
    assert not scans
    assert read <= 5 * entries
