"""Check that the ledger's figures follow from its journal, and correct wrong figures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.db import connections, router

from quickscale_credits.internal.databases import database_of, write_atomic, write_cursor
from quickscale_credits.models import CreditAccount

_AT_ONCE = 200  # accounts in one part of a long check


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """A wrong figure: the rule that it breaks, the id of the row, and both values as text.

    The rule starts with the kind of the row, such as account, lot or transaction.
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
    """Return everything that is wrong in one account or all accounts; empty if all is sound.

    It finds only contradictions. Somebody who can switch triggers off could remove the newest lines
    and adjust every figure, add a line with matching figures, or reword a description, and it would
    not notice. ``docs/explanation/credits-correctness.md`` has the full list.
    """
    database = using or router.db_for_read(CreditAccount, instance=account)
    return _verify(database, None if account is None else [account.pk])


def verify_in_parts(*, using: str | None = None) -> Iterator[tuple[float, list[Discrepancy]]]:
    """Yield what is wrong in all accounts, a part at a time, with the share done so far (up to 1).

    Each part is checked at a different moment; :func:`verify` checks all accounts at one moment.
    """
    database = using or router.db_for_read(CreditAccount)
    accounts = CreditAccount._base_manager.using(database).order_by("pk")
    ids = list(accounts.values_list("pk", flat=True))
    for begin in range(0, len(ids), _AT_ONCE):
        part = ids[begin : begin + _AT_ONCE]
        yield (begin + len(part)) / len(ids), _verify(database, part)


def _verify(database: str, ids: list[int] | None) -> list[Discrepancy]:
    with connections[database].cursor() as cursor:
        cursor.execute("SELECT * FROM quickscale_credits_verify(%s::bigint[])", [ids])
        return [Discrepancy(*row) for row in cursor.fetchall()]


def rebuild(account: CreditAccount) -> list[Discrepancy]:
    """Set the figures of an account, its lots and its holds to what the journal says.

    Returns what was wrong and is now corrected. The journal itself is never changed, so
    :func:`verify` still reports its errors, and consequences of them that can't be stored.
    """
    database = database_of(account)
    with write_atomic(database):
        CreditAccount._base_manager.using(database).select_for_update(no_key=True).get(
            pk=account.pk
        )
        before = _verify(database, [account.pk])
        with write_cursor(database) as cursor:
            cursor.execute("SELECT quickscale_credits_rebuild(%s)", [account.pk])
        after = set(_verify(database, [account.pk]))
    account.refresh_from_db(using=database)
    return [discrepancy for discrepancy in before if discrepancy not in after]
