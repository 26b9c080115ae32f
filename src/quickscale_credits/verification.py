"""Proves that the ledger's figures follow from its journal, and sets wrong ones right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import connections, router, transaction

from quickscale_credits.models import CreditAccount

# One statement, so that all rules look at the same snapshot while others write.
_RULES = """
WITH account AS (SELECT * FROM quickscale_credits_creditaccount WHERE {accounts}),
lot AS (
    SELECT lot.*,
           coalesce((SELECT sum(amount) FROM quickscale_credits_creditallocation
                      WHERE lot_id = lot.id), 0) AS allocated,
           (SELECT amount FROM quickscale_credits_creditallocation
             WHERE lot_id = lot.id ORDER BY transaction_id LIMIT 1) AS opened,
           coalesce((SELECT sum(part.amount)
                       FROM quickscale_credits_creditholdallocation part
                       JOIN quickscale_credits_credithold hold ON hold.id = part.hold_id
                      WHERE part.lot_id = lot.id AND hold.status = 'open'), 0) AS set_aside
      FROM quickscale_credits_creditlot lot WHERE {rows}),
entry AS (
    SELECT entry.*,
           row_number() OVER history AS place,
           sum(amount) OVER history AS running,
           (SELECT sum(amount) FROM quickscale_credits_creditallocation
             WHERE transaction_id = entry.id) AS allocated
      FROM quickscale_credits_credittransaction entry WHERE {rows}
    WINDOW history AS (PARTITION BY account_id ORDER BY sequence)),
hold AS (
    SELECT hold.*,
           (SELECT sum(amount) FROM quickscale_credits_creditholdallocation
             WHERE hold_id = hold.id) AS allocated
      FROM quickscale_credits_credithold hold WHERE {rows}),
journal AS (
    SELECT account_id, sum(amount) AS amount, max(sequence) AS sequence
      FROM entry GROUP BY account_id),
lots AS (
    SELECT account_id, sum(remaining) AS remaining,
           min(expires_at) FILTER (WHERE remaining > held) AS due_at
      FROM lot GROUP BY account_id),
holds AS (
    SELECT account_id, sum(amount) AS amount, min(expires_at) AS due_at
      FROM hold WHERE status = 'open' GROUP BY account_id)
SELECT id, 'account.posted is the sum of its transactions', id,
       coalesce(journal.amount, 0)::text, posted::text
  FROM account LEFT JOIN journal ON account_id = id WHERE posted <> coalesce(journal.amount, 0)
UNION ALL
SELECT id, 'account.posted is the sum of its lots', id, coalesce(remaining, 0)::text, posted::text
  FROM account LEFT JOIN lots ON account_id = id WHERE posted <> coalesce(remaining, 0)
UNION ALL
SELECT id, 'account.held is the sum of its open holds', id,
       coalesce(holds.amount, 0)::text, held::text
  FROM account LEFT JOIN holds ON account_id = id WHERE held <> coalesce(holds.amount, 0)
UNION ALL
SELECT id, 'account.next_sequence follows the last transaction', id,
       (coalesce(journal.sequence, 0) + 1)::text, next_sequence::text
  FROM account LEFT JOIN journal ON account_id = id
 WHERE next_sequence <> coalesce(journal.sequence, 0) + 1
UNION ALL
SELECT id, 'account.next_due_at is no later than the first end', id,
       least(lots.due_at, holds.due_at)::text, next_due_at::text
  FROM account LEFT JOIN lots ON lots.account_id = id LEFT JOIN holds ON holds.account_id = id
 WHERE least(lots.due_at, holds.due_at) < coalesce(next_due_at, 'infinity')
UNION ALL
SELECT account_id, 'lot.remaining is the sum of its allocations', id,
       allocated::text, remaining::text FROM lot WHERE remaining <> allocated
UNION ALL
SELECT account_id, 'lot.held is the sum of its open holds', id, set_aside::text, held::text
  FROM lot WHERE held <> set_aside
UNION ALL
SELECT account_id, 'lot.amount is what opened it', id, opened::text, amount::text
  FROM lot WHERE amount IS DISTINCT FROM opened AND credit_type <> 'overdraft'
UNION ALL
SELECT account_id, 'transaction.amount is the sum of its allocations', id,
       allocated::text, amount::text FROM entry WHERE amount IS DISTINCT FROM allocated
UNION ALL
SELECT account_id, 'transaction.sequence has no gap', id, place::text, sequence::text
  FROM entry WHERE sequence <> place
UNION ALL
SELECT account_id, 'transaction.balance_after is the running sum', id,
       running::text, balance_after::text FROM entry WHERE balance_after <> running
UNION ALL
SELECT original.account_id, 'reversals give back no more than was taken', original.id,
       (-original.amount)::text, back.amount::text
  FROM entry original
  JOIN (SELECT reverses_id, sum(amount) AS amount FROM entry GROUP BY reverses_id) back
    ON back.reverses_id = original.id
 WHERE back.amount > -original.amount
UNION ALL
SELECT account_id, 'hold.amount is the sum of its allocations', id, allocated::text, amount::text
  FROM hold WHERE amount IS DISTINCT FROM allocated
ORDER BY 1, 2, 3
"""


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """A figure that doesn't follow: the rule, the id of the row, and both values as text.

    The rule begins with what the row is: an account, lot, transaction or hold.
    """

    account_id: int
    rule: str
    row_id: int
    expected: str | None
    actual: str | None

    def __str__(self) -> str:
        return (
            f"account {self.account_id}: {self.rule}; "
            f"row {self.row_id} has {self.actual}, expected {self.expected}"
        )


def verify(account: CreditAccount | None = None, *, using: str | None = None) -> list[Discrepancy]:
    """Everything that is wrong in an account, or in all of them; empty when all is sound."""
    database = using or router.db_for_read(CreditAccount, instance=account)
    parameters: dict[str, Any] = {}
    accounts = rows = "TRUE"
    if account is not None:
        parameters["account"] = account.pk
        accounts, rows = "id = %(account)s", "account_id = %(account)s"
    with connections[database].cursor() as cursor:
        cursor.execute(_RULES.format(accounts=accounts, rows=rows), parameters)
        return [Discrepancy(*row) for row in cursor.fetchall()]


def rebuild(account: CreditAccount) -> list[Discrepancy]:
    """Set the figures of an account and its lots to what the journal says.

    Returns what was wrong and is right now. The journal itself is never changed: what is wrong
    in it, :func:`verify` still tells.
    """
    database = router.db_for_write(CreditAccount, instance=account)
    with transaction.atomic(using=database):
        CreditAccount._base_manager.using(database).select_for_update(no_key=True).get(
            pk=account.pk
        )
        before = verify(account, using=database)
        with connections[database].cursor() as cursor:
            cursor.execute("SELECT quickscale_credits_rebuild(%s)", [account.pk])
        after = set(verify(account, using=database))
    account.refresh_from_db()
    return [discrepancy for discrepancy in before if discrepancy not in after]
