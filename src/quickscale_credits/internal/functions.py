"""The one road to the ledger's tables: an operation is one call of an SQL function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Generic, TypeVar

from django.db import connections, models

from quickscale_credits.internal.databases import write_cursor

ModelT = TypeVar("ModelT", bound=models.Model)


@dataclass(frozen=True, slots=True)
class Outcome(Generic[ModelT]):
    """What an SQL function answered: ``posted``, ``replayed``, or why it refused.

    ``row`` is what was written; ``available`` and ``required`` are the figures of a refusal.
    ``account_id`` and ``at`` are set when a refusal posted an expiry on the way.
    """

    answer: str
    available: Decimal
    required: Decimal
    row: ModelT | None
    using: str
    account_id: int | None
    at: datetime | None


class Operation(Generic[ModelT]):
    """The SQL function ``quickscale_credits_<name>``, with parameters of these types."""

    def __init__(self, model: type[ModelT], name: str, *types: str) -> None:
        function = f"quickscale_credits_{name}"
        fields = model._meta.concrete_fields
        columns = ", ".join(["answer", "available", "required", *(str(f.column) for f in fields)])
        parameters = ", ".join(f"%s::{type_}" for type_ in types)
        self.model = model
        self.names = [f.attname for f in fields]
        self.account = self.names.index("account_id")
        self.time = self.names.index("created_at")
        # These come as text: JSON, and the key of a user, whose type is the site's own.
        self.json: list[tuple[int, Any]] = [
            (index, f) for index, f in enumerate(fields) if isinstance(f, models.JSONField)
        ]
        self.users: list[tuple[int, Any]] = [
            (index, f) for index, f in enumerate(fields) if f.name == "actor"
        ]
        self.sql = f"SELECT {columns} FROM {function}({parameters})"  # noqa: S608

    def call(self, using: str, *values: Any) -> Outcome[ModelT]:
        """Run the function: one round trip."""
        with write_cursor(using) as cursor:
            cursor.execute(self.sql, values)
            return self._read(using, cursor.fetchone())

    def call_many(self, using: str, *values: Any) -> list[Outcome[ModelT]]:
        """Run a function that answers many requests: one round trip for all of them."""
        with write_cursor(using) as cursor:
            cursor.execute(self.sql, values)
            return [self._read(using, row) for row in cursor.fetchall()]

    def _read(self, using: str, values: Sequence[Any]) -> Outcome[ModelT]:
        answer, available, required, *row = values
        account_id, at = row[self.account], row[self.time]
        if row[0] is None:
            return Outcome(answer, available, required, None, using, account_id, at)
        for index, field in self.json:
            row[index] = field.from_db_value(row[index], None, connections[using])
        for index, field in self.users:
            row[index] = field.to_python(row[index])
        written = self.model.from_db(using, self.names, row)
        return Outcome(answer, available, required, written, using, account_id, at)


def array(values: Sequence[Any]) -> str | None:
    """PostgreSQL's text of an array; of nothing but nulls it is null.

    An array of parameters would cost PostgreSQL more to parse than a spend to write.
    """
    if not any(value is not None for value in values):
        return None
    return "{" + ",".join(map(_element, values)) + "}"


def _element(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return str(value)
