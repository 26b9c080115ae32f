"""The one clock that decides which of two states is the newer one."""

from __future__ import annotations

from datetime import datetime

from django.db import connections, router

from quickscale_stripe.models import StripeEvent


def database_now() -> datetime:
    """The time of the database's clock, within a transaction too.

    The clocks of a site's hosts differ by seconds. A row that is written with one of them and
    compared with another drops newer states, so ``synced_at`` is always of this clock.
    """
    connection = connections[router.db_for_write(StripeEvent)]
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        row: tuple[datetime] = cursor.fetchone()
    return row[0]
