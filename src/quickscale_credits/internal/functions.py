"""Call the SQL functions, the only way to write the ledger's tables: one call per operation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Generic, TypeVar

from django.db import connections

from quickscale_credits.exceptions import (
    AccountClosedError,
    AccountFrozenError,
    HoldStateError,
    IdempotencyConflictError,
    InsufficientCreditsError,
    InvalidRequestError,
    ReversalError,
)
from quickscale_credits.internal import outbox
from quickscale_credits.internal.databases import write_cursor
from quickscale_credits.models import CreditAccount, CreditHold, CreditTransaction

RowT = TypeVar("RowT", CreditTransaction, CreditHold)

_HEAD = ("answer", "available", "required", "account_id", "posted_at")


@dataclass(frozen=True, slots=True)
class Outcome(Generic[RowT]):
    """The result of an SQL function: ``posted``, ``replayed``, or the reason for a refusal.

    ``row`` is the row written; ``available`` and ``required`` are the figures of a refusal.
    ``posted_at`` is the time at which the call posted expiries of the account, if any were due.
    """

    answer: str
    available: Decimal
    required: Decimal
    account_id: int | None
    posted_at: datetime | None
    row: RowT | None
    using: str


class Operation(Generic[RowT]):
    """The SQL function ``quickscale_credits_<name>``, which returns a row of the model.

    ``parameters`` are the names, without ``p_``, and types of its parameters in order.
    """

    def __init__(self, model: type[RowT], name: str, parameters: str) -> None:
        self.model: type[RowT] = model
        self.function = f"quickscale_credits_{name}"
        self.parameters = dict(parameter.split() for parameter in parameters.split(", "))
        row = "hold" if model is CreditHold else "entry"
        fields: Sequence[Any] = model._meta.concrete_fields
        self.names = [field.attname for field in fields]
        # Fields that convert what the database returns, such as JSON, which comes as text.
        self.readers = [
            (index, source.from_db_value)
            for index, source in enumerate(
                field.target_field if field.is_relation else field for field in fields
            )
            if hasattr(source, "from_db_value")
        ]
        self.columns = [field.column for field in fields]
        values = ", ".join(f"%s::{type_}" for type_ in self.parameters.values())
        # PostgreSQL takes longer to parse the columns by name than to expand the star.
        self.sql = f"SELECT {', '.join(_HEAD)}, ({row}).* FROM {self.function}({values})"  # noqa: S608

    def call(self, using: str, **values: Any) -> Outcome[RowT]:
        """Call the function in one round trip."""
        [outcome] = self.call_many(using, **values)
        return outcome

    def call_many(self, using: str, **values: Any) -> list[Outcome[RowT]]:
        """Call a function that takes many requests, in one round trip for all of them."""
        with write_cursor(using) as cursor:
            cursor.execute(self.sql, [values[name] for name in self.parameters])
            names = [column.name for column in cursor.description]
            # The table may have more columns than the model, and in another order.
            places = [names.index(column, len(_HEAD)) for column in self.columns]
            return [self._read(using, values, places) for values in cursor.fetchall()]

    def _read(self, using: str, values: Sequence[Any], places: Sequence[int]) -> Outcome[RowT]:
        answer, available, required, account_id, posted_at = values[: len(_HEAD)]
        row = [values[place] for place in places]
        written = None
        if row[0] is not None:
            for index, reader in self.readers:
                row[index] = reader(row[index], None, connections[using])
            written = self.model.from_db(using, self.names, row)
        return Outcome(answer, available, required, account_id, posted_at, written, using)


def answered(outcome: Outcome[RowT], key: str = "", account: CreditAccount | None = None) -> RowT:
    """Return the row of an outcome, or raise the error that its answer stands for."""
    refuse(outcome, key)
    row = outcome.row
    assert row is not None  # noqa: S101  (only a refusal has none)
    row.replayed = outcome.answer == "replayed"
    if account is not None:
        row.account = account
    return row


def refuse(outcome: Outcome[Any], key: str) -> None:
    """Raise the error of a refusal, and have events delivered if anything was written.

    A refusal or a replay may also have written something, namely expiries that were due.
    """
    row = outcome.row
    if outcome.answer == "posted" and row is not None:
        since = getattr(row, "closed_at", None) or row.created_at
        outbox.deliver_after_commit(row.account_id, since=since, using=outcome.using)
    elif outcome.account_id is not None and outcome.posted_at is not None:
        outbox.deliver_after_commit(
            outcome.account_id, since=outcome.posted_at, using=outcome.using
        )
    match outcome.answer.split():
        case ["posted" | "replayed"]:
            return
        case ["insufficient"]:
            raise InsufficientCreditsError(available=outcome.available, required=outcome.required)
        case ["irreversible"]:
            raise ReversalError(available=outcome.available, required=outcome.required)
        case ["conflict"]:
            raise IdempotencyConflictError(key)
        case ["frozen"]:
            raise AccountFrozenError("frozen")
        case ["closed"]:
            raise AccountClosedError("closed")
        case ["hold", status]:
            raise HoldStateError(status)
        case ["gone", argument]:
            raise InvalidRequestError(argument, "it no longer exists.")
        case ["missing"]:
            raise CreditAccount.DoesNotExist("The credit account no longer exists.")
    raise AssertionError(f"The ledger answered {outcome.answer!r}.")


def array(values: Sequence[Any]) -> str | None:
    """Return PostgreSQL's text form of an array, or null if all values are null.

    PostgreSQL would take longer to parse an array of parameters than to write a spend.
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
