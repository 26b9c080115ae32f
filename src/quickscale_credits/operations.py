"""The one road to the ledger's tables: an operation is one call of an SQL function."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Generic, TypeVar

from django.db import connections, models

ModelT = TypeVar("ModelT", bound=models.Model)


@dataclass(frozen=True, slots=True)
class Outcome(Generic[ModelT]):
    """What an SQL function answered: ``posted``, ``replayed``, or why it refused.

    ``row`` is what was written; ``available`` and ``required`` are the figures of a refusal.
    """

    answer: str
    available: Decimal
    required: Decimal
    row: ModelT | None


class Operation(Generic[ModelT]):
    """The SQL function ``quickscale_credits_<name>``, with parameters of these types."""

    def __init__(self, model: type[ModelT], name: str, *types: str) -> None:
        function = f"quickscale_credits_{name}"
        fields = model._meta.concrete_fields
        columns = ", ".join(["answer", "available", "required", *(str(f.column) for f in fields)])
        parameters = ", ".join(f"%s::{type_}" for type_ in types)
        self.model = model
        self.names = [f.attname for f in fields]
        # These come as text: JSON, and the key of a user, whose type is the site's own.
        self.json: list[tuple[int, Any]] = [
            (index, f) for index, f in enumerate(fields) if isinstance(f, models.JSONField)
        ]
        self.users: list[tuple[int, Any]] = [
            (index, f) for index, f in enumerate(fields) if f.name == "actor"
        ]
        self.sql = f"SELECT {columns} FROM {function}({parameters})"  # noqa: S608

        names = [f"p{index}" for index in range(len(types))]
        arrays = ", ".join(f"%s::{'text' if type_ == 'jsonb' else type_}[]" for type_ in types)
        arguments = ", ".join(f"{n}::{type_}" for n, type_ in zip(names, types, strict=True))
        self.sql_many = (
            f"SELECT position, {columns} FROM ("  # noqa: S608
            f"SELECT * FROM unnest({arrays}) WITH ORDINALITY request ({', '.join(names)}, position)"
            f" ORDER BY p0, position) request, LATERAL {function}({arguments})"
        )

    def call(self, using: str, *values: Any) -> Outcome[ModelT]:
        """Run the function: one round trip."""
        with connections[using].cursor() as cursor:
            cursor.execute(self.sql, values)
            return self._read(using, cursor.fetchone())

    def call_many(self, using: str, requests: Iterable[Sequence[Any]]) -> list[Outcome[ModelT]]:
        """Run the function for each request in one round trip, by ascending first value.

        The outcomes come in the order of the requests.
        """
        columns = [list(column) for column in zip(*requests, strict=True)]
        with connections[using].cursor() as cursor:
            cursor.execute(self.sql_many, columns)
            rows = sorted(cursor.fetchall(), key=lambda row: row[0])
        return [self._read(using, row[1:]) for row in rows]

    def _read(self, using: str, values: Sequence[Any]) -> Outcome[ModelT]:
        answer, available, required, *row = values
        if row[0] is None:
            return Outcome(answer, available, required, None)
        for index, field in self.json:
            row[index] = field.from_db_value(row[index], None, connections[using])
        for index, field in self.users:
            row[index] = field.to_python(row[index])
        return Outcome(answer, available, required, self.model.from_db(using, self.names, row))
