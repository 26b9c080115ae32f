"""Dry runs: nothing is written here, and nothing at Stripe."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction

from quickscale_stripe import client


@contextmanager
def dry_run() -> Iterator[None]:
    """Let the block read Stripe and write nothing anywhere.

    What it writes here is undone at its end.

    Raises:
        WouldWriteError: the block came to a request that would change something at Stripe.
    """
    with client.reading_only(), transaction.atomic():
        yield
        transaction.set_rollback(True)
