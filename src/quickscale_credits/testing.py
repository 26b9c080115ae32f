"""For a site's own tests: a ledger whose clock can be moved."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db import DEFAULT_DB_ALIAS, connections

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
def moving_clock(start: datetime, *, using: str = DEFAULT_DB_ALIAS) -> Iterator[Clock]:
    """Replace the ledger's clock inside a transaction; nobody else sees it.

    ::

        with transaction.atomic(), moving_clock(timezone.now()) as clock:
            account.add_credits(5, "Trial", credit_type="trial", expires_at=tomorrow)
            clock.move(timedelta(days=2))
            assert account.get_balance() == 0
    """
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT pg_get_functiondef('quickscale_credits_clock'::regproc)")
        [real] = cursor.fetchone()
        cursor.execute(
            "CREATE OR REPLACE FUNCTION quickscale_credits_clock() RETURNS timestamptz "
            f"LANGUAGE sql VOLATILE AS $$ SELECT current_setting('{SETTING}')::timestamptz $$"
        )
    yield Clock(start, using)
    with connections[using].cursor() as cursor:
        cursor.execute(real)
