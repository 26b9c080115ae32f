"""Where the time of a spend goes: PostgreSQL's own times of the ledger's functions."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter

from django.db import connections, transaction

from quickscale_credits import ledger
from quickscale_credits.models import CreditAccount

SPENDS = 1000


@dataclass(frozen=True)
class Share:
    """A part of one spend, in microseconds."""

    part: str
    microseconds: float


def profile(account: CreditAccount, *, using: str) -> list[Share]:
    """The parts of a spend in a batch of a thousand, the commit left out; the greatest first.

    Empty when the database's user may not set ``track_functions``.
    """
    with transaction.atomic(using=using), connections[using].cursor() as cursor:
        cursor.execute("SELECT current_setting('is_superuser')::boolean")
        if not cursor.fetchone()[0]:
            return []
        cursor.execute("SET LOCAL track_functions = 'all'")
        begin = perf_counter()
        spend = {"account": account, "amount": 1, "description": "Request"}
        ledger.consume_many([spend] * SPENDS)
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        whole = perf_counter() - begin
        cursor.execute(
            "SELECT funcname, self_time / 1000 FROM pg_stat_xact_user_functions"
            " WHERE funcname LIKE 'quickscale%%' ORDER BY self_time DESC"
        )
        times = dict(cursor.fetchall())
    times["Python, keys to other tables, the rest"] = whole - sum(times.values())
    return [Share(part, seconds / SPENDS * 1e6) for part, seconds in times.items()]
