"""A ledger clock that is moved by hand, for tests and sample histories."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta

from django.db import DatabaseError, connections
from django.db.transaction import TransactionManagementError

from quickscale_credits.internal.databases import database_of

SETTING = "quickscale_credits.now"


class Clock:
    """A ledger clock that stands still between moves."""

    def __init__(self, using: str) -> None:
        self._using = using

    @property
    def now(self) -> datetime:
        """The database's current time; rolling back a savepoint also turns the clock back."""
        with connections[self._using].cursor() as cursor:
            cursor.execute("SELECT quickscale_credits_clock()")
            now: datetime = cursor.fetchone()[0]
        return now

    def move(self, by: timedelta) -> None:
        """Move the clock forward; the ledger does not support going back in time."""
        self._set((self.now + by).isoformat())

    def _set(self, now: str) -> None:
        with connections[self._using].cursor() as cursor:
            cursor.execute("SELECT set_config(%s, %s, true)", [SETTING, now])


@contextmanager
def ledger_clock(now: datetime, *, using: str | None = None) -> Iterator[Clock]:
    """Replace the ledger's clock inside a database transaction; no other connection sees it.

    ::

        with transaction.atomic(), ledger_clock(timezone.now()) as clock:
            account.add_credits(5, "Trial", credit_type="trial", expires_at=tomorrow)
            clock.move(timedelta(days=2))
            assert account.get_balance() == 0

    Clocks nest: at the end of the inner one, the outer one is restored. After a database error, the
    end of the transaction or savepoint restores it.

    Raises:
        TransactionManagementError: there is no transaction.
    """
    using = using or database_of()
    connection = connections[using]
    if not connection.in_atomic_block:
        raise TransactionManagementError("ledger_clock() needs a transaction.atomic() around it.")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_get_functiondef('quickscale_credits_clock'::regproc),"
            " coalesce(current_setting(%s, true), '')",
            [SETTING],
        )
        real, before = cursor.fetchone()
        cursor.execute(
            "CREATE OR REPLACE FUNCTION quickscale_credits_clock() RETURNS timestamptz "
            f"LANGUAGE sql VOLATILE AS $$ SELECT current_setting('{SETTING}')::timestamptz $$"
        )
    clock = Clock(using)
    clock._set(now.isoformat())
    try:
        yield clock
    finally:
        if not connection.needs_rollback:
            with suppress(DatabaseError), connection.cursor() as cursor:
                cursor.execute(real)
                cursor.execute("SELECT set_config(%s, %s, true)", [SETTING, before])
