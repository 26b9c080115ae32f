"""The one clock that decides which of two states is newer."""

from __future__ import annotations

from datetime import datetime

from django.db import connections, router

from quickscale_stripe.models import StripeEvent


def database_now() -> datetime:
    """Return the current time of the database, even within a transaction.

    The clocks of a site's hosts differ by seconds. Comparing times from two of them would drop
    newer states, so ``synced_at`` is always from the database's clock.
    """
    connection = connections[router.db_for_write(StripeEvent)]
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        row: tuple[datetime] = cursor.fetchone()
    return row[0]
