"""Every write to the ledger, as keyword-only functions.

Each is one round trip to the database: a function there takes the account's lock, reads the clock,
answers a request it has seen before, posts what is due and does the work. Inside ``atomic()`` it
is a part of that transaction; outside it commits by itself. An error of this module leaves the
caller's transaction usable.

Amounts are ``Decimal``, ``int`` or numeric ``str``, above zero, with at most 4 places.
``idempotency_key`` (up to 255 characters, unique in the account) makes a request safe to repeat:
the same request again answers with what it answered first. Description, metadata and actor may
differ then.

What all of them may raise: :class:`InvalidAmountError`, :class:`InvalidRequestError`,
:class:`IdempotencyConflictError`, :class:`AccountFrozenError`, :class:`AccountClosedError`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from django.db import connections, router, transaction

from quickscale_credits import requests
from quickscale_credits.amounts import LIMIT, Amount, parse_amount
from quickscale_credits.answers import answered, database_of, refuse
from quickscale_credits.archiving import archive
from quickscale_credits.conf import SHORTFALL_POLICIES, app_settings
from quickscale_credits.exceptions import (
    AccountClosedError,
    CreditsError,
    HoldStateError,
    InvalidAmountError,
    InvalidRequestError,
)
from quickscale_credits.models import (
    CreditAccount,
    CreditHold,
    CreditLot,
    CreditTransaction,
    Service,
)
from quickscale_credits.operations import Operation, Outcome, array
from quickscale_credits.verification import Discrepancy, rebuild, verify, verify_in_parts

__all__ = [
    "Discrepancy",
    "Sweep",
    "add_credits",
    "archive",
    "capture",
    "close",
    "consume_credits",
    "consume_many",
    "convert",
    "expire_due",
    "freeze",
    "hold_credits",
    "lock",
    "open_account",
    "rebuild",
    "release",
    "remove_credits",
    "reverse",
    "revoke",
    "roll_over",
    "set_low_balance",
    "set_overdraft_limit",
    "sweep",
    "unfreeze",
    "verify",
    "verify_in_parts",
]

logger = logging.getLogger(__name__)

_REQUEST = ("text", "text", "text", "jsonb")  # actor, key, fingerprint, metadata
_GRANT = Operation(
    CreditTransaction,
    "grant",
    *("bigint", "numeric", "text", "text", "smallint", "timestamptz", "timestamptz"),
    *("text", "text", "bigint", "text", "timestamptz", "timestamptz"),
    *_REQUEST,
)
_SPEND = Operation(
    CreditTransaction,
    "spend",
    *("text", "bigint[]", "numeric[]", "text[]", "bigint[]", "text[]", "text[]", "text[]"),
    "jsonb[]",
)
_HOLD = Operation(CreditHold, "hold", "bigint", "numeric", "text", "interval", "bigint", *_REQUEST)
_CAPTURE = Operation(CreditTransaction, "capture", "bigint", "numeric")
_RELEASE = Operation(CreditHold, "release", "bigint")
_REVERSE = Operation(
    CreditTransaction, "reverse", "bigint", "numeric", "text", "smallint", *_REQUEST
)
_REVOKE = Operation(CreditTransaction, "revoke", "bigint", "numeric", "text", "text", *_REQUEST)
_MOVE = Operation(
    CreditTransaction,
    "move",
    *("bigint", "numeric", "text", "smallint", "timestamptz", "text", "text", "text", "jsonb"),
)

_SWEEP = 100  # accounts in one transaction of expire_due


def open_account(*, owner: Any, using: str | None = None) -> CreditAccount:
    """The owner's account, made when there is none; two calls at once make one.

    A new account begins with ``QUICKSCALE_CREDITS_STARTING_BALANCE`` bonus credits and warns at
    ``QUICKSCALE_CREDITS_LOW_BALANCE``.
    """
    using = using or router.db_for_write(CreditAccount)
    accounts = CreditAccount._base_manager.using(using)
    with transaction.atomic(using):
        account, made = accounts.get_or_create(
            owner=owner, defaults={"low_balance_threshold": app_settings.low_balance}
        )
        if made and app_settings.starting_balance:
            add_credits(
                account=account,
                amount=app_settings.starting_balance,
                description="Starting balance",
                credit_type="bonus",
            )
    return account


def lock(*accounts: CreditAccount) -> None:
    """Lock the accounts that a transaction is going to change, by ascending id.

    Every write locks its account by itself until the transaction ends. Two transactions that write
    to the same accounts in another order wait for each other, and PostgreSQL ends one of them with
    a deadlock. So whoever changes more than one account in one ``atomic()`` locks all of them
    first::

        with transaction.atomic():
            ledger.lock(sender, receiver)
            sender.remove_credits(5, "Given")
            receiver.add_credits(5, "Received")

    One round trip.

    Raises:
        InvalidRequestError: there is none, or they are in different databases.
        TransactionManagementError: there is no ``atomic()`` to hold the locks.
        CreditAccount.DoesNotExist: one of them is no longer there.
    """
    ids = {requests.account_id(account) for account in accounts}
    databases = {database_of(account) for account in accounts}
    if len(databases) != 1:
        raise InvalidRequestError("accounts", "use accounts of one database.")
    locked = (
        CreditAccount._base_manager.using(databases.pop())
        .filter(pk__in=ids)
        .order_by("pk")
        .select_for_update(no_key=True)
        .values_list("pk", flat=True)
    )
    if set(locked) != ids:
        raise CreditAccount.DoesNotExist("A credit account is no longer there.")


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
    billing period, whose credits may come after its end and then expire at once. A frozen account
    can be added to.
    """
    value = parse_amount(amount)
    text = requests.description(description)
    begins = requests.moment("effective_at", effective_at)
    ends = requests.moment("expires_at", expires_at)
    type_ = requests.credit_type(credit_type, ends=ends is not None)
    source_type, source_id = requests.source(source)
    cost_amount, currency = requests.cost(cost)
    period_start, period_end = requests.period(period)
    key = requests.key(idempotency_key)
    outcome = _GRANT.call(
        database_of(account),
        requests.account_id(account),
        value,
        text,
        type_,
        requests.priority(app_settings.priorities[type_] if priority is None else priority),
        begins,
        ends,
        source_type,
        source_id,
        cost_amount,
        currency,
        period_start,
        period_end,
        requests.actor_id(actor),
        key,
        key
        and requests.fingerprint(
            *("add", value, type_, priority, begins, ends, source_type, source_id),
            *(cost_amount, currency, period_start, period_end),
        ),
        requests.metadata(metadata),
    )
    if outcome.answer == "ended":
        raise InvalidRequestError("expires_at", f"{ends} is in the past, or before the begin.")
    if outcome.answer == "overflow":
        raise InvalidAmountError("amount", f"the balance would not be below {LIMIT:f}.")
    return answered(outcome, key or f"{source_type}:{source_id}", account)


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
    request = _spend_request(
        "consume", account, amount, description, service, idempotency_key, actor, metadata
    )
    [outcome] = _spend(database_of(account), "consume", [request])
    return answered(outcome, request.key or "", account)


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
    request = _spend_request(
        "adjust", account, amount, description, None, idempotency_key, actor, metadata
    )
    [outcome] = _spend(database_of(account), "adjust", [request])
    return answered(outcome, request.key or "", account)


def consume_many(
    spends: Iterable[Mapping[str, Any]], *, using: str | None = None
) -> list[CreditTransaction | CreditsError]:
    """Many spends in one round trip and one transaction; each succeeds or fails alone.

    A spend is a dictionary of the arguments of :func:`consume_credits`. The answers come in the
    order of the spends: a transaction, or the error that the spend alone would have raised.
    Accounts are locked in the order of their ids, so that two batches never wait for each other.
    """
    spends = list(spends)
    answers: list[Any] = [None] * len(spends)
    good: dict[int, _Spend] = {}
    for position, spend in enumerate(spends):
        try:
            good[position] = _spend_request("consume", **{**_OPTIONAL, **spend})
        except CreditsError as error:
            answers[position] = error
    if not good:
        return answers
    database = using or database_of(spends[next(iter(good))]["account"])
    outcomes = _spend(database, "consume", list(good.values()))
    for (position, request), outcome in zip(good.items(), outcomes, strict=True):
        try:
            answers[position] = answered(outcome, request.key or "", spends[position]["account"])
        except CreditsError as error:
            answers[position] = error
        except CreditAccount.DoesNotExist as error:
            answers[position] = InvalidRequestError("account", str(error))
    return answers


def hold_credits(
    *,
    account: CreditAccount,
    amount: Amount,
    description: str,
    ttl: timedelta,
    service: Service | None = None,
    idempotency_key: str | None = None,
    actor: Any = None,
    metadata: Mapping[str, Any] | None = None,
) -> CreditHold:
    """Set credits aside for work that takes a while; after ``ttl`` the hold times out by itself.

    What is held can be captured even when its lot ends before the hold does. Keys of holds and of
    transactions are apart. Service, actor and metadata go on to the transaction of the capture.
    ``replayed`` of the hold says whether the key had made it before: its maker works with it.

    Raises:
        InsufficientCreditsError: there are too few; nothing was set aside.
    """
    value = parse_amount(amount)
    text = requests.description(description)
    duration = requests.ttl(ttl)
    service_id = requests.service_id(service)
    key = requests.key(idempotency_key)
    outcome = _HOLD.call(
        database_of(account),
        requests.account_id(account),
        value,
        text,
        duration,
        service_id,
        requests.actor_id(actor),
        key,
        key and requests.fingerprint("hold", value, duration, service_id),
        requests.metadata(metadata),
    )
    hold = answered(outcome, key, account)
    hold.replayed = outcome.answer == "replayed"
    return hold


def capture(*, hold: CreditHold, amount: Amount | None = None) -> CreditTransaction | None:
    """Take what a hold has set aside, or a part of it, and free the rest.

    ``amount`` is all of it by default; 0 frees everything and returns ``None``.

    Raises:
        HoldStateError: the hold was captured or released before, or has timed out.
        InsufficientCreditsError: more than the hold has.
    """
    value = None if amount is None else parse_amount(amount, zero=True)
    outcome = _CAPTURE.call(database_of(hold), requests.hold_id(hold), value)
    refuse(outcome, "")
    if outcome.row is None:
        hold.refresh_from_db()
    else:
        hold.status = CreditHold.Status.CAPTURED
        hold.captured = -outcome.row.amount
        hold.closed_at = outcome.row.created_at
        outcome.row.hold = hold
    return outcome.row


def release(*, hold: CreditHold) -> CreditHold:
    """Give a hold up: its credits are free again, and those of a lot that has ended expire.

    Raises:
        HoldStateError: the hold was captured or released before, or has timed out.
    """
    released = answered(_RELEASE.call(database_of(hold), requests.hold_id(hold)), "")
    hold.status, hold.closed_at = released.status, released.closed_at
    return hold


def reverse(
    *,
    transaction: CreditTransaction,
    amount: Amount | None = None,
    reason: str,
    idempotency_key: str | None = None,
    actor: Any = None,
    metadata: Mapping[str, Any] | None = None,
) -> CreditTransaction:
    """Give back what a use, a removal or a revocation took, to the same lots; the last comes first.

    ``amount`` is all that is left to give back by default. Into a lot that has ended the credits
    come back and expire in the same transaction.

    Of a revocation ``amount`` waives what it is still owed first; then comes back what it took, and
    what was taken for it later, by transactions of their own. The answer's amount is what the
    revocation itself took, so it may be 0. When nothing is owed any more, an account that it froze
    is active again, unless another one froze it too, or somebody did so by hand.

    Raises:
        ReversalError: nothing is left to give back, or less than ``amount``.
    """
    value = None if amount is None else parse_amount(amount)
    text = requests.description(reason)
    id_ = requests.transaction_id(transaction)
    key = requests.key(idempotency_key)
    outcome = _REVERSE.call(
        database_of(transaction),
        id_,
        value,
        text,
        app_settings.priorities["adjustment"],
        requests.actor_id(actor),
        key,
        key and requests.fingerprint("reverse", id_, value),
        requests.metadata(metadata),
    )
    if outcome.answer == "overflow":
        raise InvalidAmountError("amount", f"the balance would not be below {LIMIT:f}.")
    return answered(outcome, key)


def revoke(
    *,
    lot: CreditLot,
    amount: Amount,
    reason: str,
    policy: str | None = None,
    idempotency_key: str | None = None,
    actor: Any = None,
    metadata: Mapping[str, Any] | None = None,
) -> CreditTransaction:
    """Take credits back from the lot that was paid for, when its money goes back.

    What a conversion or a roll-over made of the lot is taken too. Never takes below zero, nor what
    is held, nor more than the lot had, less what expired or was revoked before: the transaction's
    ``shortfall`` is what was used or is held, and its amount may be 0. The shortfall is taken when
    it comes back into one of these lots, by a release, a time-out or a reversal. ``policy`` says
    what else follows, by default ``QUICKSCALE_CREDITS_SHORTFALL_POLICY``: ``"write_off"``,
    ``"freeze"`` or ``"overdraft"``, which other free credits pay back at once.
    """
    id_ = requests.lot_id(lot)
    if lot.credit_type == CreditLot.CreditType.OVERDRAFT:
        raise InvalidRequestError("lot", "nobody paid for an overdraft.")
    value = parse_amount(amount)
    text = requests.description(reason)
    policy = policy or app_settings.shortfall_policy
    if policy not in SHORTFALL_POLICIES:
        raise InvalidRequestError("policy", f"{policy!r} is none of {SHORTFALL_POLICIES}.")
    key = requests.key(idempotency_key)
    outcome = _REVOKE.call(
        database_of(lot),
        id_,
        value,
        text,
        policy,
        requests.actor_id(actor),
        key,
        key and requests.fingerprint("revoke", id_, value, policy),
        requests.metadata(metadata),
    )
    return answered(outcome, key)


def convert(
    *,
    lot: CreditLot,
    description: str,
    cap: Amount | None = None,
    actor: Any = None,
    metadata: Mapping[str, Any] | None = None,
) -> CreditTransaction | None:
    """Turn what is left of a subscription's lot, at most ``cap``, into pay-as-you-go credits.

    A lot is converted once: again answers with the first transaction. ``None`` when nothing is
    left. For a paid change of plan only; the caller sees to that.
    """
    requests.lot_id(lot)
    if lot.credit_type != CreditLot.CreditType.SUBSCRIPTION:
        raise InvalidRequestError("lot", "only subscription credits can be converted.")
    return _move(
        lot, "ledger:conversion", CreditLot.CreditType.PAYG, None, description, cap, actor, metadata
    )


def roll_over(
    *,
    lot: CreditLot,
    expires_at: datetime,
    description: str,
    cap: Amount | None = None,
    actor: Any = None,
    metadata: Mapping[str, Any] | None = None,
) -> CreditTransaction | None:
    """Let what is left of a lot, at most ``cap``, live on until ``expires_at``.

    What is above the cap keeps its end. A lot is rolled over once: again answers with the first
    transaction. ``None`` when nothing is left.
    """
    requests.lot_id(lot)
    if lot.expires_at is None:
        raise InvalidRequestError("lot", "credits that never end need no roll-over.")
    ends = requests.moment("expires_at", expires_at)
    if ends is None:
        raise InvalidRequestError("expires_at", "rolled-over credits need an end.")
    return _move(lot, "ledger:rollover", lot.credit_type, ends, description, cap, actor, metadata)


def freeze(*, account: CreditAccount) -> CreditAccount:
    """Stop uses and new holds of an account; what comes in still counts."""
    return _set_status(account, CreditAccount.Status.FROZEN)


def unfreeze(*, account: CreditAccount) -> CreditAccount:
    """Let a frozen account be used again."""
    return _set_status(account, CreditAccount.Status.ACTIVE)


def close(*, account: CreditAccount) -> CreditAccount:
    """Close an account for good: it takes part in nothing more, and its history stays.

    Raises:
        HoldStateError: a hold is open.
    """
    return _set_status(account, CreditAccount.Status.CLOSED)


def set_overdraft_limit(*, account: CreditAccount, limit: Amount) -> CreditAccount:
    """Set how far an account may be overdrawn; 0 is not at all.

    Raises:
        InvalidAmountError: more than that is used already.
    """
    value = parse_amount(limit, name="limit", zero=True)
    id_ = requests.account_id(account)
    if _function(account, "set_overdraft", id_, value) == "used":
        raise InvalidAmountError("limit", "more of the overdraft is used already.")
    account.refresh_from_db()
    return account


def set_low_balance(*, account: CreditAccount, threshold: Amount | None) -> CreditAccount:
    """Set where an account's balance counts as low; ``None`` never warns."""
    value = None if threshold is None else parse_amount(threshold, name="threshold", zero=True)
    accounts = CreditAccount._base_manager.using(database_of(account))
    accounts.filter(pk=requests.account_id(account)).update(low_balance_threshold=value)
    account.low_balance_threshold = value
    return account


@dataclass(frozen=True, slots=True)
class Sweep:
    """How many accounts a sweep posted, and the ids of those that could not be posted.

    ``announced`` is the number of lots that end soon and were told of.
    """

    posted: int
    failed: tuple[int, ...]
    announced: int


def expire_due(*, limit: int | None = None, using: str | None = None) -> int:
    """Post the expiries and time-outs that are due, on at most ``limit`` accounts.

    Returns the number of accounts touched. Balances are right without it; it makes the history
    and the stored figures follow. Accounts that are locked at the moment are passed over. One whose
    figures are corrupt stops no other: it is left as it is and logged as an error. :func:`sweep`
    tells which ones. Credits that end within ``QUICKSCALE_CREDITS_EXPIRY_WARNINGS`` are announced.
    """
    return sweep(limit=limit, using=using).posted


def sweep(*, limit: int | None = None, using: str | None = None) -> Sweep:
    """As :func:`expire_due`, telling more of what it did."""
    using = using or router.db_for_write(CreditAccount)
    touched = 0
    passed: list[int] = []
    while limit is None or touched < limit:
        batch = _SWEEP if limit is None else min(_SWEEP, limit - touched)
        with connections[using].cursor() as cursor:
            cursor.execute(
                "SELECT * FROM quickscale_credits_expire_due(%s, %s::bigint[])", [batch, passed]
            )
            posted, failed = cursor.fetchone()
        for id_ in failed:
            logger.error("Account %s can't be posted; see verify_ledger.", id_)
        touched += posted
        passed += failed
        if posted + len(failed) < batch:
            break
    announced = _announce(limit, using)
    return Sweep(posted=touched, failed=tuple(passed), announced=announced)


def _announce(limit: int | None, using: str) -> int:
    windows = list(app_settings.expiry_warnings)
    if not windows:
        return 0
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT quickscale_credits_announce(%s::interval[], %s)", [windows, limit])
        announced: int = cursor.fetchone()[0]
    return announced


_OPTIONAL: dict[str, Any] = dict.fromkeys(["service", "idempotency_key", "actor", "metadata"])


class _Spend(NamedTuple):
    """A request as ``quickscale_credits_spend`` takes it."""

    account: int
    amount: Decimal
    description: str
    service: int | None
    actor: str | None
    key: str | None
    fingerprint: str | None
    metadata: str | None


def _spend_request(
    kind: str,
    account: CreditAccount,
    amount: Amount,
    description: str,
    service: Service | None,
    idempotency_key: str | None,
    actor: Any,
    metadata: Mapping[str, Any] | None,
) -> _Spend:
    value = parse_amount(amount)
    text = requests.description(description)
    service_id = requests.service_id(service)
    key = requests.key(idempotency_key) or None
    return _Spend(
        requests.account_id(account),
        value,
        text,
        service_id,
        requests.actor_id(actor),
        key,
        key and requests.fingerprint(kind, value, service_id),
        None if metadata is None else requests.metadata(metadata),
    )


def _spend(using: str, kind: str, spends: Sequence[_Spend]) -> list[Outcome[CreditTransaction]]:
    """Spend by ascending account; the outcomes come in the order of the spends."""
    order = sorted(range(len(spends)), key=lambda position: spends[position].account)
    columns = zip(*(spends[position] for position in order), strict=True)
    outcomes = _SPEND.call_many(using, kind, *map(array, columns))
    by_position = dict(zip(order, outcomes, strict=True))
    return [by_position[position] for position in range(len(spends))]


def _move(
    lot: CreditLot,
    source_type: str,
    credit_type: str,
    ends: datetime | None,
    description: str,
    cap: Amount | None,
    actor: Any,
    metadata: Mapping[str, Any] | None,
) -> CreditTransaction | None:
    outcome = _MOVE.call(
        database_of(lot),
        requests.lot_id(lot),
        LIMIT if cap is None else parse_amount(cap, name="cap"),
        credit_type,
        app_settings.priorities[credit_type],
        ends,
        source_type,
        requests.description(description),
        requests.actor_id(actor),
        requests.metadata(metadata),
    )
    if outcome.answer == "nothing":
        return None
    if outcome.answer == "ended":
        raise InvalidRequestError("expires_at", f"{ends} is in the past, or before the begin.")
    return answered(outcome, f"{source_type}:{lot.pk}")


def _set_status(account: CreditAccount, status: str) -> CreditAccount:
    answer = _function(account, "set_status", requests.account_id(account), status)
    if answer == "closed":
        raise AccountClosedError("closed")
    if answer == "held":
        raise HoldStateError("open")
    account.refresh_from_db()
    return account


def _function(account: CreditAccount, name: str, *values: Any) -> str:
    places = ", ".join(["%s"] * len(values))
    with connections[database_of(account)].cursor() as cursor:
        cursor.execute(f"SELECT quickscale_credits_{name}({places})", values)
        answer: str = cursor.fetchone()[0]
    if answer == "missing":
        raise CreditAccount.DoesNotExist("The credit account is no longer there.")
    return answer
