"""Where the time of a spend goes, by PostgreSQL's own times of the ledger's functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter

from django.db import connections, transaction

from quickscale_credits import ledger
from quickscale_credits.models import CreditAccount

REST = "Python, the outer statement, keys to other tables"


@dataclass(frozen=True)
class Share:
    """The microseconds of a part of one spend, in its own call and in one call for all accounts."""

    part: str
    alone: float
    in_batch: float


def profile(accounts: Sequence[CreditAccount], *, using: str) -> list[Share]:
    """Return the parts of one spend of each account without the commit, the greatest first.

    The list is empty if the database's user may not set ``track_functions``.
    """
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT current_setting('is_superuser')::boolean")
        if not cursor.fetchone()[0]:
            return []

    def one_by_one() -> None:
        for account in accounts:
            account.consume_credits(1, "Request")

    def at_once() -> None:
        ledger.consume_many(
            {"account": account, "amount": 1, "description": "Request"} for account in accounts
        )

    alone, in_batch = (_times(work, len(accounts), using) for work in (one_by_one, at_once))
    return [Share(part, time, in_batch.get(part, 0)) for part, time in alone.items()]


def _times(work: Callable[[], None], spends: int, using: str) -> Mapping[str, float]:
    """Return the microseconds of each part of a spend, measured the second time."""
    work()
    with transaction.atomic(using=using), connections[using].cursor() as cursor:
        cursor.execute("SET LOCAL track_functions = 'all'")
        begin = perf_counter()
        work()
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        whole = perf_counter() - begin
        cursor.execute(
            "SELECT funcname, self_time / 1000 FROM pg_stat_xact_user_functions"
            " WHERE funcname LIKE 'quickscale%%' ORDER BY self_time DESC"
        )
        times = dict(cursor.fetchall())
    times[REST] = whole - sum(times.values())
    return {part: seconds / spends * 1e6 for part, seconds in times.items()}
