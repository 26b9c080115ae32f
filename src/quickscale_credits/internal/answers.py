"""What the answer of an SQL function means: the row that it wrote, or an error."""

from __future__ import annotations

from typing import Any, TypeVar

from django.db import models

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
from quickscale_credits.internal.functions import Outcome
from quickscale_credits.models import CreditAccount

ModelT = TypeVar("ModelT", bound=models.Model)


def answered(
    outcome: Outcome[ModelT], key: str = "", account: CreditAccount | None = None
) -> ModelT:
    """Return the row of an outcome, or raise the error that its answer stands for."""
    refuse(outcome, key)
    row = outcome.row
    assert row is not None  # noqa: S101  (an answer that isn't a refusal has a row)
    row.replayed = outcome.answer == "replayed"  # type: ignore[attr-defined]
    if account is not None:
        row.account = account  # type: ignore[attr-defined]
    return row


def refuse(outcome: Outcome[Any], key: str) -> None:
    """Raise the error of a refusal; after a write, have its events delivered.

    A refusal may have written too: the expiries that were due.
    """
    if outcome.row is None and outcome.account_id is not None and outcome.at is not None:
        outbox.deliver_after_commit(outcome.account_id, since=outcome.at, using=outcome.using)
    match outcome.answer.split():
        case ["posted"]:
            if outcome.row is not None:
                row = outcome.row
                outbox.deliver_after_commit(
                    row.account_id,
                    since=getattr(row, "closed_at", None) or row.created_at,
                    using=row._state.db,
                )
            return
        case ["replayed"]:
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
            raise InvalidRequestError(argument, "it is no longer there.")
        case ["missing"]:
            raise CreditAccount.DoesNotExist("The credit account is no longer there.")
    raise AssertionError(f"The ledger answered {outcome.answer!r}.")
