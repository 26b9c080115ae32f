"""Write in the past, so that a test need not wait until something ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from quickscale_credits.internal.clock import ledger_clock

DAY = timedelta(days=1)


@contextmanager
def a_day_ago(*, using: str | None = None) -> Iterator[datetime]:
    """Write as of yesterday inside the ``with`` block; yield a time that was then in the future."""
    now = timezone.now()
    with transaction.atomic(using=using), ledger_clock(now - DAY, using=using):
        yield now - DAY / 2
