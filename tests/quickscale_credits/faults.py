"""A database that fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import OperationalError, connection


@contextmanager
def failing_function(name: str) -> Iterator[list[str]]:
    """Let calls of an SQL function of the ledger fail, and yield the list of calls."""
    calls: list[str] = []

    def fail(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if f"quickscale_credits_{name}(" not in sql:
            return execute(sql, params, many, context)
        calls.append(sql)
        raise OperationalError("the server closed the connection")

    with connection.execute_wrapper(fail):
        yield calls
