"""Accounts with a long history, written in bulk; the database's rules check every row."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.auth import get_user_model
from django.db import connections, transaction

from quickscale_credits.models import CreditAccount, Service

BATCH = 5_000
BALANCE = 100_000_000

SPENDS = """
WITH entries AS (
    INSERT INTO quickscale_credits_credittransaction
        (account_id, sequence, kind, amount, balance_after, description, metadata, created_at)
    SELECT account.id, account.next_sequence + n, 'consume', -1, account.posted - n - 1,
           'Request', '{}', statement_timestamp()
      FROM quickscale_credits_creditaccount account, generate_series(0, %(rows)s - 1) n
     WHERE account.id = %(account)s
    RETURNING id, account_id),
allocations AS (
    INSERT INTO quickscale_credits_creditallocation (account_id, transaction_id, lot_id, amount)
    SELECT entries.account_id, entries.id, lot.id, -1
      FROM entries,
           (SELECT id FROM quickscale_credits_creditlot
             WHERE account_id = %(account)s AND is_open ORDER BY id LIMIT 1) lot),
taken AS (
    UPDATE quickscale_credits_creditlot SET remaining = remaining - %(rows)s
     WHERE id = (SELECT id FROM quickscale_credits_creditlot
                  WHERE account_id = %(account)s AND is_open ORDER BY id LIMIT 1))
UPDATE quickscale_credits_creditaccount
   SET posted = posted - %(rows)s, next_sequence = next_sequence + %(rows)s
 WHERE id = %(account)s
"""

# Half of the uses are of a service with one meter, half of one with two.
USES = """
WITH entries AS (
    INSERT INTO quickscale_credits_credittransaction
        (account_id, sequence, kind, amount, balance_after, description, metadata, service_id,
         created_at)
    SELECT account.id, account.next_sequence + n, 'consume', -1, account.posted - n - 1,
           'Request', '{}', CASE n %% 2 WHEN 0 THEN %(single)s ELSE %(several)s END,
           statement_timestamp() - %(length)s * (1 - (%(done)s + n) / %(total)s::float)
      FROM quickscale_credits_creditaccount account, generate_series(0, %(rows)s - 1) n
     WHERE account.id = %(account)s
    RETURNING id, account_id, service_id, created_at),
allocations AS (
    INSERT INTO quickscale_credits_creditallocation (account_id, transaction_id, lot_id, amount)
    SELECT entries.account_id, entries.id, lot.id, -1
      FROM entries,
           (SELECT id FROM quickscale_credits_creditlot
             WHERE account_id = %(account)s AND is_open ORDER BY id LIMIT 1) lot),
uses AS (
    INSERT INTO quickscale_credits_serviceusage
        (service_id, account_id, transaction_id, units, quantities, price_lines, cost, metadata,
         created_at)
    SELECT service_id, account_id, id, CASE service_id WHEN %(single)s THEN 1 END,
           CASE service_id WHEN %(single)s THEN '{"units": "1"}'::jsonb
                ELSE '{"input": "1200", "output": "80"}' END,
           CASE service_id WHEN %(single)s THEN
               '[{"meter": "units", "dimension": "", "quantity": "1", "unit_price": "1", "per": 1}]'
               ::jsonb ELSE
               '[{"meter": "input", "dimension": "", "quantity": "1200", "unit_price": "0.5",
                  "per": 1000},
                 {"meter": "output", "dimension": "", "quantity": "80", "unit_price": "5",
                  "per": 1000}]' END,
           1, '{}', created_at
      FROM entries),
taken AS (
    UPDATE quickscale_credits_creditlot SET remaining = remaining - %(rows)s
     WHERE id = (SELECT id FROM quickscale_credits_creditlot
                  WHERE account_id = %(account)s AND is_open ORDER BY id LIMIT 1))
UPDATE quickscale_credits_creditaccount
   SET posted = posted - %(rows)s, next_sequence = next_sequence + %(rows)s
 WHERE id = %(account)s
"""

USED_UP_LOTS = """
WITH lots AS (
    INSERT INTO quickscale_credits_creditlot
        (account_id, credit_type, priority, amount, remaining, effective_at, expires_at, created_at)
    SELECT %(account)s, 'subscription', 10, 1, 0, statement_timestamp(),
           statement_timestamp() + interval '1 month', statement_timestamp()
      FROM generate_series(1, %(rows)s)
    RETURNING id),
steps AS (
    SELECT lots.id AS lot_id, account.id AS account_id, account.posted, step.kind, step.amount,
           account.next_sequence - 1
               + row_number() OVER (ORDER BY lots.id, step.amount DESC) AS sequence
      FROM lots, (VALUES ('grant', 1), ('consume', -1)) step (kind, amount),
           quickscale_credits_creditaccount account
     WHERE account.id = %(account)s),
entries AS (
    INSERT INTO quickscale_credits_credittransaction
        (account_id, sequence, kind, amount, balance_after, description, metadata, created_at)
    SELECT account_id, sequence, kind, amount, posted + greatest(amount, 0), 'Period', '{}',
           statement_timestamp()
      FROM steps
    RETURNING id, sequence),
allocations AS (
    INSERT INTO quickscale_credits_creditallocation (account_id, transaction_id, lot_id, amount)
    SELECT steps.account_id, entries.id, steps.lot_id, steps.amount
      FROM entries JOIN steps USING (sequence))
UPDATE quickscale_credits_creditaccount SET next_sequence = next_sequence + 2 * %(rows)s
 WHERE id = %(account)s
"""


def open_account(name: str, *, using: str) -> CreditAccount:
    """Open an account with one lot of pay-as-you-go credits, too large for a run to use up."""
    owner = get_user_model().objects.db_manager(using).create_user(name)
    account = CreditAccount.objects.db_manager(using).for_owner(owner)
    account.add_credits(BALANCE, "Bought")
    return account


def add_spends(account: CreditAccount, rows: int, *, using: str) -> None:
    """Add ``rows`` spends of one credit from the account's open lot."""
    _in_batches(SPENDS, account, rows, using)


def add_uses(account: CreditAccount, rows: int, length: timedelta, *, using: str) -> None:
    """Add ``rows`` uses of two services, the last one now, evenly spread over that time."""
    single, several = (
        Service.objects.using(using).create(name=name, slug=name).pk for name in ("one", "two")
    )
    _in_batches(USES, account, rows, using, single=single, several=several, length=length)


def add_used_up_lots(account: CreditAccount, rows: int, *, using: str) -> None:
    """Add ``rows`` lots without any credit left."""
    _in_batches(USED_UP_LOTS, account, rows, using)


def settle(*, using: str) -> None:
    """Do what autovacuum has done on a site with such a history."""
    with connections[using].cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def _in_batches(
    sql: str, account: CreditAccount, rows: int, using: str, **parameters: object
) -> None:
    for begin in range(0, rows, BATCH):
        with transaction.atomic(using=using), connections[using].cursor() as cursor:
            given = {"account": account.pk, "rows": min(BATCH, rows - begin), **parameters}
            cursor.execute(sql, {**given, "done": begin, "total": rows})
            # With plans for empty tables, the time would grow with the square of the rows.
            cursor.execute(
                "ANALYZE quickscale_credits_creditlot, quickscale_credits_credittransaction,"
                " quickscale_credits_creditallocation, quickscale_credits_serviceusage"
            )
