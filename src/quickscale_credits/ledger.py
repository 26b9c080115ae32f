"""Every write to the ledger, as keyword-only functions.

Each is one round trip to the database: a function there takes the account's lock, reads the clock,
answers a request it has seen before, posts what is due and does the work. Inside ``atomic()`` it
is a part of that transaction; outside it commits by itself. An error of this module leaves the
caller's transaction usable.

Amounts are ``Decimal``, ``int`` or numeric ``str``, above zero, with at most 4 places.
``idempotency_key`` (up to 255 characters, unique in the account) makes a request safe to repeat:
the same request again answers with the first transaction.

What all of them may raise: :class:`InvalidAmountError`, :class:`InvalidRequestError`,
:class:`IdempotencyConflictError`, :class:`AccountFrozenError`, :class:`AccountClosedError`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db import router, transaction

from quickscale_credits import outbox, requests
from quickscale_credits.amounts import LIMIT, Amount, parse_amount
from quickscale_credits.conf import app_settings
from quickscale_credits.exceptions import (
    AccountClosedError,
    AccountFrozenError,
    CreditsError,
    IdempotencyConflictError,
    InsufficientCreditsError,
    InvalidAmountError,
    InvalidRequestError,
)
from quickscale_credits.models import CreditAccount, CreditTransaction, Service
from quickscale_credits.operations import Operation, Outcome

_GRANT = Operation(
    "grant",
    *("bigint", "numeric", "text", "text", "smallint", "timestamptz", "timestamptz"),
    *("text", "text", "bigint", "text", "timestamptz", "timestamptz"),
    *("text", "text", "text", "jsonb"),
)
_SPEND = Operation(
    "spend", "bigint", "text", "numeric", "text", "bigint", "text", "text", "text", "jsonb"
)


def open_account(*, owner: Any, using: str | None = None) -> CreditAccount:
    """The owner's account, made when there is none; two calls at once make one.

    A new account begins with ``QUICKSCALE_CREDITS_STARTING_BALANCE`` bonus credits and warns at
    ``QUICKSCALE_CREDITS_LOW_BALANCE``.
    """
    using = using or router.db_for_write(CreditAccount)
    accounts = CreditAccount._base_manager.using(using)
    with transaction.atomic(using):
        new = CreditAccount(owner=owner, low_balance_threshold=app_settings.low_balance)
        accounts.bulk_create([new], ignore_conflicts=True)
        account = accounts.get(owner=owner)
        if app_settings.starting_balance:
            add_credits(
                account=account,
                amount=app_settings.starting_balance,
                description="Starting balance",
                credit_type="bonus",
                source=("starting_balance", str(account.pk)),
            )
    return account


def add_credits(
    *,
    account: CreditAccount,
    amount: Amount,
    description: str,
    credit_type: str = "payg",
    effective_at: datetime | None = None,
    expires_at: datetime | None = None,
    priority: int | None = None,
    source: tuple[str, str] | None = None,
    cost: tuple[int, str] | None = None,
    period: tuple[datetime, datetime] | None = None,
    idempotency_key: str | None = None,
    actor: Any = None,
    metadata: Mapping[str, Any] | None = None,
) -> CreditTransaction:
    """Put credits in as a new lot.

    ``credit_type`` is ``subscription`` (needs ``expires_at``), ``payg`` (never ends), ``trial``,
    ``bonus`` or ``adjustment``. They can be spent from ``effective_at`` (now) until ``expires_at``.
    ``priority`` is that of the type by ``QUICKSCALE_CREDITS_PRIORITIES``, lower is spent first.
    ``source`` (type, id) says what they were given for, and a source gives credits once: the same
    again answers with the first transaction, and another amount, type or end is a conflict.
    ``cost`` is the money paid, in the currency's smallest unit, and the currency; ``period`` the
    billing period. A frozen account can be added to.
    """
    value = parse_amount(amount)
    text = requests.description(description)
    type_ = requests.credit_type(credit_type, ends=expires_at is not None)
    begins = requests.moment("effective_at", effective_at)
    ends = requests.moment("expires_at", expires_at)
    source_type, source_id = requests.source(source)
    cost_amount, currency = cost or (None, "")
    period_start, period_end = period or (None, None)
    key = requests.key(idempotency_key)
    outcome = _GRANT.call(
        _database(account),
        requests.account_id(account),
        value,
        text,
        type_,
        app_settings.priorities[type_] if priority is None else priority,
        begins,
        ends,
        source_type,
        source_id,
        cost_amount,
        currency,
        requests.moment("period", period_start),
        requests.moment("period", period_end),
        requests.actor_id(actor),
        key,
        key and requests.fingerprint("add", value, text, type_, begins, ends, source),
        requests.metadata(metadata),
    )
    if outcome.status == "ended":
        raise InvalidRequestError("expires_at", f"{ends} is not after the lot's begin.")
    if outcome.status == "overflow":
        raise InvalidAmountError("amount", f"the balance would not be below {LIMIT:f}.")
    return _entry(account, outcome, key or f"{source_type}:{source_id}")


def consume_credits(
    *,
    account: CreditAccount,
    amount: Amount,
    description: str,
    service: Service | None = None,
    idempotency_key: str | None = None,
    actor: Any = None,
    metadata: Mapping[str, Any] | None = None,
) -> CreditTransaction:
    """Spend credits: by priority, then soonest end, then oldest; an overdraft comes last.

    Raises:
        InsufficientCreditsError: there are too few; nothing was taken.
    """
    return _spend(
        "consume", account, amount, description, service, idempotency_key, actor, metadata
    )


def remove_credits(
    *,
    account: CreditAccount,
    amount: Amount,
    description: str,
    actor: Any = None,
    idempotency_key: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> CreditTransaction:
    """Take credits away by hand, in the order of a spend, also from a frozen account.

    Raises:
        InsufficientCreditsError: there are too few; nothing was taken.
    """
    return _spend("adjust", account, amount, description, None, idempotency_key, actor, metadata)


def consume_many(
    spends: Iterable[Mapping[str, Any]], *, using: str | None = None
) -> list[CreditTransaction | CreditsError]:
    """Many spends in one round trip and one transaction; each succeeds or fails alone.

    A spend is a dictionary of the arguments of :func:`consume_credits`. The answers come in the
    order of the spends: a transaction, or the error that the spend alone would have raised.
    """
    spends = list(spends)
    answers: list[Any] = [None] * len(spends)
    good = []
    for position, spend in enumerate(spends):
        try:
            good.append((position, _spend_request("consume", **{**_NOTHING, **spend})))
        except CreditsError as error:
            answers[position] = error
    if not good:
        return answers
    database = using or _database(spends[good[0][0]]["account"])
    outcomes = _SPEND.call_many(database, (request for _, request in good))
    for (position, request), outcome in zip(good, outcomes, strict=True):
        try:
            answers[position] = _entry(spends[position]["account"], outcome, request[6])
        except CreditsError as error:
            answers[position] = error
    return answers


_NOTHING = dict.fromkeys(["service", "idempotency_key", "actor", "metadata"])


def _spend(
    kind: str,
    account: CreditAccount,
    amount: Amount,
    description: str,
    service: Service | None,
    idempotency_key: str | None,
    actor: Any,
    metadata: Mapping[str, Any] | None,
) -> CreditTransaction:
    request = _spend_request(
        kind, account, amount, description, service, idempotency_key, actor, metadata
    )
    return _entry(account, _SPEND.call(_database(account), *request), request[6])


def _spend_request(
    kind: str,
    account: CreditAccount,
    amount: Amount,
    description: str,
    service: Service | None,
    idempotency_key: str | None,
    actor: Any,
    metadata: Mapping[str, Any] | None,
) -> tuple[Any, ...]:
    value = parse_amount(amount)
    text = requests.description(description)
    service_id = requests.service_id(service)
    key = requests.key(idempotency_key)
    return (
        requests.account_id(account),
        kind,
        value,
        text,
        service_id,
        requests.actor_id(actor),
        key,
        key and requests.fingerprint(kind, value, text, service_id),
        requests.metadata(metadata),
    )


def _entry(account: CreditAccount, outcome: Outcome, key: str) -> CreditTransaction:
    """The transaction of an outcome, or the error that its status stands for."""
    _refuse(outcome, key)
    entry = outcome.entry
    assert entry is not None  # noqa: S101  (every outcome that is no refusal has one)
    entry.account = account
    if outcome.status == "posted":
        outbox.deliver_after_commit(entry.account_id, using=_database(account))
    return entry


def _refuse(outcome: Outcome, key: str) -> None:
    match outcome.status:
        case "posted" | "replayed":
            return
        case "insufficient":
            raise InsufficientCreditsError(available=outcome.available, required=outcome.required)
        case "conflict":
            raise IdempotencyConflictError(key)
        case "frozen":
            raise AccountFrozenError("frozen")
        case "closed":
            raise AccountClosedError("closed")
        case "missing":
            raise CreditAccount.DoesNotExist("The credit account is no longer there.")
    raise AssertionError(f"The ledger answered {outcome.status!r}.")


def _database(instance: Any) -> str:
    return instance._state.db or router.db_for_write(type(instance), instance=instance)
