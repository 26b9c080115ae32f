"""A ledger whose time is moved by hand: for tests, and for histories that are made up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.transaction import TransactionManagementError

SETTING = "quickscale_credits.now"


class Clock:
    """The ledger's time while it stands still between moves."""

    def __init__(self, now: datetime, using: str) -> None:
        self.now = now
        self._using = using
        self._set()

    def move(self, by: timedelta) -> None:
        """Let time pass; the ledger knows no way back."""
        self.now += by
        self._set()

    def _set(self) -> None:
        with connections[self._using].cursor() as cursor:
            cursor.execute("SELECT set_config(%s, %s, true)", [SETTING, self.now.isoformat()])


@contextmanager
def ledger_clock(now: datetime, *, using: str = DEFAULT_DB_ALIAS) -> Iterator[Clock]:
    """Replace the ledger's clock inside a database transaction; nobody else sees it.

    ::

        with transaction.atomic(), ledger_clock(timezone.now()) as clock:
            account.add_credits(5, "Trial", credit_type="trial", expires_at=tomorrow)
            clock.move(timedelta(days=2))
            assert account.get_balance() == 0

    After an error the end of the transaction brings the real clock back.

    Raises:
        TransactionManagementError: there is no transaction.
    """
    connection = connections[using]
    if not connection.in_atomic_block:
        raise TransactionManagementError("ledger_clock() needs a transaction.atomic() around it.")
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_functiondef('quickscale_credits_clock'::regproc)")
        [real] = cursor.fetchone()
        cursor.execute(
            "CREATE OR REPLACE FUNCTION quickscale_credits_clock() RETURNS timestamptz "
            f"LANGUAGE sql VOLATILE AS $$ SELECT current_setting('{SETTING}')::timestamptz $$"
        )
    yield Clock(now, using)
    with connection.cursor() as cursor:
        cursor.execute(real)
