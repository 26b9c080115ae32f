"""The one road to the ledger's tables: an operation is one call of an SQL function."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

from django.db import connections, models

from quickscale_credits.models import CreditHold, CreditTransaction

ModelT = TypeVar("ModelT", bound=models.Model)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an SQL function answered; ``status`` is ``posted``, ``replayed`` or a refusal."""

    status: str
    available: Decimal
    required: Decimal
    entry: CreditTransaction | None
    hold: CreditHold | None


class RowReader:
    """Makes instances of a model from the columns of an outcome's field."""

    def __init__(self, model: type[models.Model], field: str) -> None:
        fields = model._meta.concrete_fields
        self.model = model
        self.names = [f.attname for f in fields]
        self.columns = [f"(outcome.{field}).{f.column}" for f in fields]
        self.json = [i for i, f in enumerate(fields) if isinstance(f, models.JSONField)]
        self.key = self.names.index(model._meta.pk.attname)

    def read(self, using: str, values: Sequence[Any]) -> Any:
        """The instance, or ``None`` when the field is empty."""
        if values[self.key] is None:
            return None
        row = list(values)
        for index in self.json:
            field: Any = self.model._meta.concrete_fields[index]
            row[index] = field.from_db_value(row[index], None, connections[using])
        return self.model.from_db(using, self.names, row)


ENTRY = RowReader(CreditTransaction, "entry")
HOLD = RowReader(CreditHold, "hold")
COLUMNS = ", ".join(
    ["outcome.status", "outcome.available", "outcome.required", *ENTRY.columns, *HOLD.columns]
)


class Operation:
    """An SQL function ``quickscale_credits_<name>`` with parameters of these types."""

    def __init__(self, name: str, *types: str) -> None:
        self.function = f"quickscale_credits_{name}"
        self.types = types
        parameters = ", ".join(f"%s::{type_}" for type_ in types)
        self.sql = f"SELECT {COLUMNS} FROM {self.function}({parameters}) outcome"  # noqa: S608
        requests = ", ".join(f"p{i}" for i in range(len(types)))
        arrays = ", ".join(f"%s::{'text' if t == 'jsonb' else t}[]" for t in types)
        arguments = ", ".join(f"p{i}::{type_}" for i, type_ in enumerate(types))
        self.sql_many = (
            f"SELECT position, {COLUMNS} FROM ("  # noqa: S608
            f"SELECT * FROM unnest({arrays}) WITH ORDINALITY request ({requests}, position) "
            f"ORDER BY p0, position) request, "
            f"LATERAL {self.function}({arguments}) outcome"
        )

    def call(self, using: str, *values: Any) -> Outcome:
        """Run the function: one round trip."""
        with connections[using].cursor() as cursor:
            cursor.execute(self.sql, values)
            row = cursor.fetchone()
        return _outcome(using, row)

    def call_many(self, using: str, requests: Iterable[Sequence[Any]]) -> Iterator[Outcome]:
        """Run the function for each request, in the order of its first value: one round trip.

        The outcomes come in the order of the requests.
        """
        columns = [list(column) for column in zip(*requests, strict=True)]
        with connections[using].cursor() as cursor:
            cursor.execute(self.sql_many, columns)
            rows = sorted(cursor.fetchall())
        return (_outcome(using, row[1:]) for row in rows)


def _outcome(using: str, row: Sequence[Any]) -> Outcome:
    hold = 3 + len(ENTRY.columns)
    return Outcome(
        status=row[0],
        available=row[1],
        required=row[2],
        entry=ENTRY.read(using, row[3:hold]),
        hold=HOLD.read(using, row[hold:]),
    )
