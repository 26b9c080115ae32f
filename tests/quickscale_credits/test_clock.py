from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from quickscale_credits.internal.clock import ledger_clock

DAY = timedelta(days=1)
THEN = datetime(2030, 1, 1, tzinfo=UTC)

pytestmark = pytest.mark.django_db


def now():
    with connection.cursor() as cursor:
        cursor.execute("SELECT quickscale_credits_clock()")
        return cursor.fetchone()[0]


def test_runs_again_after_an_error_that_is_caught():
    with pytest.raises(ValueError, match="oops"), ledger_clock(THEN):
        raise ValueError("oops")
    assert abs(now() - timezone.now()) < DAY


def test_clocks_nest():
    with ledger_clock(THEN) as outer:
        with ledger_clock(THEN + 10 * DAY) as inner:
            inner.move(DAY)
            assert now() == inner.now == THEN + 11 * DAY
        assert now() == outer.now == THEN


def test_a_savepoint_that_is_rolled_back_takes_the_move_back():
    with ledger_clock(THEN) as clock:
        with transaction.atomic():
            clock.move(DAY)
            transaction.set_rollback(True)
        assert clock.now == now() == THEN
        clock.move(DAY)
        assert now() == THEN + DAY
