"""Dry runs, which write nothing here or at Stripe."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction

from quickscale_stripe import client


@contextmanager
def dry_run(using: str | None = None) -> Iterator[None]:
    """Let the block read from Stripe and write nothing.

    What it writes here, or in the database ``using``, is rolled back at its end.

    Raises:
        WouldWriteError: the block reached a request that would change something at Stripe.
    """
    with client.reading_only(), transaction.atomic(using=using):
        yield
        transaction.set_rollback(True, using=using)
