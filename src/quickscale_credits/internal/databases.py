"""Find the database that the ledger writes to, and translate PostgreSQL's conflicts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar

from django.db import OperationalError, connections, models, router, transaction
from django.db.backends.utils import CursorWrapper

from quickscale_credits.exceptions import InvalidRequestError, TransactionConflictError
from quickscale_credits.models import CreditAccount

ViewT = TypeVar("ViewT", bound=Callable[..., Any])

# A serialization failure, a deadlock (postgresql.org/docs/current/errcodes-appendix.html).
_TRY_AGAIN = ("40001", "40P01")


def database_of(row: Any = None) -> str:
    """Return the alias that the router gives for writing a row, or for credits as a whole.

    A read that a write depends on must use the same database, because a replica may lag behind.
    """
    if isinstance(row, models.Model):
        return router.db_for_write(row.__class__, instance=row)
    return router.db_for_write(CreditAccount)


def ledger_now(using: str) -> datetime:
    """Return the ledger's time in that database."""
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT quickscale_credits_clock()")
        now: datetime = cursor.fetchone()[0]
    return now


def require_database(row: models.Model, using: str) -> None:
    """Refuse to work on a row in a database that the router doesn't write it to.

    Raises:
        InvalidRequestError: the router writes the row to another database.
    """
    database = database_of(row)
    if database != using:
        raise InvalidRequestError("using", f"the router writes to {database!r}, not to {using!r}.")


def non_atomic_requests(view: ViewT) -> ViewT:
    """Exempt a view from every ``ATOMIC_REQUESTS``, because it does work between two writes."""
    for alias in connections:
        view = transaction.non_atomic_requests(using=alias)(view)
    return view


@contextmanager
def conflicts() -> Iterator[None]:
    """Raise :class:`TransactionConflictError` if PostgreSQL ends the transaction for another."""
    try:
        yield
    except OperationalError as error:
        cause = error.__cause__  # the name in psycopg; psycopg2 has pgcode
        if getattr(cause, "sqlstate", getattr(cause, "pgcode", None)) in _TRY_AGAIN:
            raise TransactionConflictError(*error.args) from error
        raise


@contextmanager
def write_cursor(using: str) -> Iterator[CursorWrapper]:
    """Open a cursor for a statement of the ledger."""
    with conflicts(), connections[using].cursor() as cursor:
        yield cursor


@contextmanager
def write_atomic(using: str, *, dry_run: bool = False) -> Iterator[None]:
    """Run several statements in ``transaction.atomic()``, and undo them in a dry run."""
    with conflicts(), transaction.atomic(using=using):
        yield
        if dry_run:
            transaction.set_rollback(True, using=using)
