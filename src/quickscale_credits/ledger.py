"""Every write to the ledger, as functions that take keyword arguments only.

Each call is one round trip to the database. A function there locks the account, reads the clock,
replays a request that it has seen before, posts what is due, and does the work. Inside
``atomic()``, the call is part of that transaction; outside, it commits by itself. An error of this
module leaves the caller's transaction usable.

Amounts are ``Decimal``, ``int`` or numeric ``str``, above zero, with at most 4 places.
``idempotency_key`` (up to 255 characters, unique in the account) makes a request safe to repeat:
the same request returns the same row again. Its description, metadata and actor may differ. A
returned row has ``replayed``, which is true if an earlier call wrote the row.

Every function has an async twin such as ``aconsume_credits``, except :func:`lock`, because a
transaction belongs to one thread, and :func:`verify_in_parts`.

All of them may raise ``InvalidAmountError``, ``InvalidRequestError``, ``IdempotencyConflictError``,
``AccountFrozenError`` and ``AccountClosedError`` of :mod:`quickscale_credits.exceptions`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from asgiref.sync import sync_to_async
from django.db import router

from quickscale.internal.owner_key import require_owner_key
from quickscale_credits.conf import SHORTFALL_POLICIES, app_settings
from quickscale_credits.exceptions import (
    AccountClosedError,
    CreditsError,
    HoldExceededError,
    HoldStateError,
    InsufficientCreditsError,
    InvalidAmountError,
    InvalidRequestError,
)
from quickscale_credits.internal import arguments, outbox
from quickscale_credits.internal.amounts import LIMIT, Amount, parse_amount
from quickscale_credits.internal.databases import conflicts, database_of, write_atomic, write_cursor
from quickscale_credits.internal.functions import Operation, Outcome, answered, array, refuse
from quickscale_credits.internal.verification import Discrepancy, rebuild, verify, verify_in_parts
from quickscale_credits.managers import owner_hints
from quickscale_credits.models import (
    CreditAccount,
    CreditHold,
    CreditLot,
    CreditTransaction,
    Service,
)

__all__ = [
    "Discrepancy",
    "Sweep",
    "aadd_credits",
    "acapture",
    "aclose",
    "aconsume_credits",
    "aconsume_many",
    "aconvert",
    "add_credits",
    "aexpire_due",
    "afreeze",
    "ahold_credits",
    "aopen_account",
    "aprolong",
    "arebuild",
    "arelease",
    "aremove_credits",
    "areverse",
    "arevoke",
    "aroll_over",
    "aset_low_balance",
    "aset_overdraft_limit",
    "asettle",
    "asweep",
    "atransfer",
    "aunfreeze",
    "averify",
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
    "prolong",
    "rebuild",
    "release",
    "remove_credits",
    "reverse",
    "revoke",
    "roll_over",
    "set_low_balance",
    "set_overdraft_limit",
    "settle",
    "sweep",
    "transfer",
    "unfreeze",
    "verify",
    "verify_in_parts",
]

logger = logging.getLogger(__name__)

_REQUEST = "actor text, key text, fingerprint text, metadata jsonb"
_GRANT = Operation(
    CreditTransaction,
    "grant",
    "account bigint, amount numeric, description text, type text, priority smallint, "
    "effective_at timestamptz, expires_at timestamptz, source_type text, source_id text, "
    "cost_amount bigint, cost_currency text, period_start timestamptz, period_end timestamptz, "
    f"{_REQUEST}",
)
_SPEND = Operation(
    CreditTransaction,
    "spend",
    "kind text, accounts bigint[], amounts numeric[], descriptions text[], services bigint[], "
    "actors text[], keys text[], fingerprints text[], metadata jsonb[]",
)
_HOLD = Operation(
    CreditHold,
    "hold",
    f"account bigint, amount numeric, description text, ttl interval, service bigint, {_REQUEST}",
)
_CAPTURE = Operation(CreditTransaction, "capture", "hold bigint, amount numeric")
_PROLONG = Operation(CreditHold, "prolong", "hold bigint, ttl interval")
_RELEASE = Operation(CreditHold, "release", "hold bigint")
_REVERSE = Operation(
    CreditTransaction,
    "reverse",
    f"transaction bigint, amount numeric, description text, {_REQUEST}",
)
_SETTLE = Operation(
    CreditTransaction,
    "settle",
    f"account bigint, hold bigint, amount numeric, description text, service bigint, {_REQUEST}",
)
_REVOKE = Operation(
    CreditTransaction,
    "revoke",
    f"lot bigint, amount numeric, description text, policy text, {_REQUEST}",
)
_MOVE = Operation(
    CreditTransaction,
    "move",
    "lot bigint, cap numeric, type text, priority smallint, expires_at timestamptz, "
    "source_type text, description text, actor text, metadata jsonb",
)
_TRANSFER = Operation(
    CreditTransaction,
    "transfer",
    f"lot bigint, account bigint, amount numeric, description text, {_REQUEST}",
)

_SWEEP = 100  # accounts in one transaction of expire_due


def open_account(*, owner: Any, using: str | None = None) -> CreditAccount:
    """Return the owner's account and create it if needed; concurrent calls create only one.

    A new account starts with ``QUICKSCALE_CREDITS_STARTING_BALANCE`` bonus credits, and its balance
    counts as low at ``QUICKSCALE_CREDITS_LOW_BALANCE``.

    Raises:
        InvalidRequestError: ``owner`` is ``None``.
    """
    if owner is None:
        raise InvalidRequestError("owner", "an account needs an owner.")
    using = using or router.db_for_write(CreditAccount, **owner_hints(owner))
    require_owner_key(CreditAccount, using)
    accounts = CreditAccount._base_manager.using(using)
    with write_atomic(using):
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
    """Lock the accounts that a transaction is going to change, by ascending id, in one round trip.

    Every write locks its account until the transaction ends. If two transactions write to the same
    accounts in different orders, they wait for each other, and PostgreSQL ends one of them with a
    deadlock. So before you change several accounts in one ``atomic()``, lock all of them::

        with transaction.atomic():
            ledger.lock(sender, receiver)
            sender.remove_credits(5, "Given")
            receiver.add_credits(5, "Received")

    Raises:
        InvalidRequestError: no accounts were given, or they are in different databases.
        TransactionManagementError: there is no ``atomic()`` to hold the locks.
        CreditAccount.DoesNotExist: an account no longer exists.
    """
    ids = {arguments.account_id(account) for account in accounts}
    databases = {database_of(account) for account in accounts}
    if len(databases) != 1:
        raise InvalidRequestError("accounts", "the accounts must be in the same database.")
    locked = (
        CreditAccount._base_manager.using(databases.pop())
        .filter(pk__in=ids)
        .order_by("pk")
        .select_for_update(no_key=True)
        .values_list("pk", flat=True)
    )
    with conflicts():
        found = set(locked)
    if found != ids:
        raise CreditAccount.DoesNotExist("A credit account no longer exists.")


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
    """Add credits as a new lot, even to a frozen account.

    ``credit_type`` is ``subscription`` (needs ``expires_at``), ``payg`` (never ends), ``trial``,
    ``bonus`` or ``adjustment``. The credits can be spent from ``effective_at`` (by default now)
    until ``expires_at``. Lots with a lower ``priority`` are spent first; the default is that of
    the type in ``QUICKSCALE_CREDITS_PRIORITIES``.

    ``source`` (type, id) says what the credits were given for. A source gives credits only once:
    the same call again returns the first transaction, and a different amount, type or end is a
    conflict. So a call that may be repeated must derive ``expires_at`` from something that stays
    the same, such as the time of the order; ``now() + 30 days`` is a different end each time.

    ``cost`` is the money paid, in the currency's smallest unit, and the currency. ``period`` is the
    billing period. Credits added after its end expire at once.
    """
    value = parse_amount(amount)
    text = arguments.description(description)
    begins = arguments.moment("effective_at", effective_at)
    ends = arguments.moment("expires_at", expires_at)
    type_ = arguments.credit_type(credit_type, ends=ends is not None)
    source_type, source_id = arguments.lot_source(source)
    cost_amount, currency = arguments.cost(cost)
    period_start, period_end = arguments.period(period)
    key = arguments.key(idempotency_key)
    outcome = _GRANT.call(
        database_of(account),
        account=arguments.account_id(account),
        amount=value,
        description=text,
        type=type_,
        priority=arguments.priority(
            app_settings.priorities[type_] if priority is None else priority
        ),
        effective_at=begins,
        expires_at=ends,
        source_type=source_type,
        source_id=source_id,
        cost_amount=cost_amount,
        cost_currency=currency,
        period_start=period_start,
        period_end=period_end,
        actor=arguments.actor_id(actor),
        key=key,
        fingerprint=key
        and arguments.fingerprint(
            *("add", value, type_, priority, begins, ends, source_type, source_id),
            *(cost_amount, currency, period_start, period_end),
        ),
        metadata=arguments.metadata(metadata),
    )
    if outcome.answer == "ended":
        raise InvalidRequestError("expires_at", f"{ends} is in the past or before the start.")
    if outcome.answer == "overflow":
        raise InvalidAmountError("amount", f"the balance must stay below {LIMIT:f}.")
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
    """Spend credits by priority, then by soonest end, then oldest first; an overdraft comes last.

    Raises:
        InsufficientCreditsError: there are too few credits; nothing was taken.
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
    """Remove credits by hand, in the order of a spend, even from a frozen account.

    Raises:
        InsufficientCreditsError: there are too few credits; nothing was taken.
    """
    request = _spend_request(
        "adjust", account, amount, description, None, idempotency_key, actor, metadata
    )
    [outcome] = _spend(database_of(account), "adjust", [request])
    return answered(outcome, request.key or "", account)


def consume_many(
    spends: Iterable[Mapping[str, Any]], *, using: str | None = None
) -> list[CreditTransaction | CreditsError]:
    """Make many spends in one round trip and one transaction; each succeeds or fails on its own.

    A spend is a dictionary of the arguments of :func:`consume_credits`. The result has, in the
    order of the spends, either a transaction or the error that the spend alone would have raised.
    Accounts are locked in the order of their ids, so two batches never wait for each other.
    """
    spends = list(spends)
    answers: list[Any] = [None] * len(spends)
    good: dict[int, _Spend] = {}
    for position, spend in enumerate(spends):
        try:
            _check_names(spend)
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
    """Set credits aside for work that takes a while; after ``ttl``, the hold times out.

    Held credits can be captured even if their lot ends before the hold does. Holds and transactions
    have separate idempotency keys. The transaction of the capture takes over the service, actor and
    metadata. If the hold is ``replayed``, another caller created it and does the work. A hold that
    was released or has timed out frees its key.

    Raises:
        InsufficientCreditsError: there are too few credits; nothing was set aside.
    """
    value = parse_amount(amount)
    text = arguments.description(description)
    duration = arguments.ttl(ttl)
    service_id = arguments.service_id(service)
    key = arguments.key(idempotency_key)
    outcome = _HOLD.call(
        database_of(account),
        account=arguments.account_id(account),
        amount=value,
        description=text,
        ttl=duration,
        service=service_id,
        actor=arguments.actor_id(actor),
        key=key,
        fingerprint=key and arguments.fingerprint("hold", value, duration, service_id),
        metadata=arguments.metadata(metadata),
    )
    return answered(outcome, key, account)


def capture(*, hold: CreditHold, amount: Amount | None = None) -> CreditTransaction | None:
    """Take what a hold has set aside, or a part of it, and free the rest.

    ``amount`` is all of it by default; 0 frees everything and returns ``None``. The same capture
    again returns the first transaction, with ``replayed`` true.

    Raises:
        HoldStateError: a different amount was captured, or the hold was released or timed out.
        HoldExceededError: the hold has less; :func:`settle` takes the rest from other credits.
    """
    value = None if amount is None else parse_amount(amount, zero=True)
    outcome = _CAPTURE.call(database_of(hold), hold=arguments.hold_id(hold), amount=value)
    try:
        return _captured(hold, outcome)
    except InsufficientCreditsError as error:
        raise HoldExceededError(available=error.available, required=error.required) from None


def prolong(*, hold: CreditHold, ttl: timedelta) -> CreditHold:
    """Let a hold last until ``ttl`` from now, for work that takes longer than expected.

    This never makes a hold end earlier.

    Raises:
        HoldStateError: the hold was captured or released, or has timed out.
    """
    outcome = _PROLONG.call(database_of(hold), hold=arguments.hold_id(hold), ttl=arguments.ttl(ttl))
    hold.expires_at = answered(outcome).expires_at
    return hold


def settle(
    *,
    account: CreditAccount,
    amount: Amount,
    description: str,
    hold: CreditHold | None = None,
    service: Service | None = None,
    idempotency_key: str | None = None,
    actor: Any = None,
    metadata: Mapping[str, Any] | None = None,
) -> CreditTransaction | None:
    """Charge for finished work, whatever the account has.

    The credits come from ``hold`` if it is open, then from free credits in the order of a spend,
    then from the overdraft. The missing part is the transaction's ``shortfall``, and the signal
    ``shortfall_recorded`` reports it. Neither a lack of credits nor a frozen or closed account
    raises an error. A hold that was released or has timed out contributes nothing; a hold with more
    than ``amount`` frees the rest. The same settlement of a hold again returns the first
    transaction. An ``amount`` of 0 frees the hold and returns ``None``.

    Raises:
        HoldStateError: a different amount of the hold was captured.
    """
    value = parse_amount(amount, zero=True)
    id_ = arguments.account_id(account)
    hold_id = None if hold is None else arguments.hold_id(hold)
    if hold is not None and hold.account_id != id_:
        raise InvalidRequestError("hold", "it belongs to another account.")
    service_id = arguments.service_id(service)
    key = arguments.key(idempotency_key)
    outcome = _SETTLE.call(
        database_of(account),
        account=id_,
        hold=hold_id,
        amount=value,
        description=arguments.description(description),
        service=service_id,
        actor=arguments.actor_id(actor),
        key=key,
        fingerprint=key and arguments.fingerprint("settle", value, hold_id, service_id),
        metadata=arguments.metadata(metadata),
    )
    return _captured(hold, outcome, key)


def release(*, hold: CreditHold) -> CreditHold:
    """Give a hold up: its credits are free again, or expire if their lot has ended.

    Raises:
        HoldStateError: the hold was already captured or released, or has timed out.
    """
    released = answered(_RELEASE.call(database_of(hold), hold=arguments.hold_id(hold)))
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
    """Give back what a use, a removal or a revocation took, to the same lots in reverse order.

    ``amount`` is by default all that is left to give back. Credits that return to a lot that has
    ended expire in the same transaction.

    For a revocation, ``amount`` first waives what is still owed, then returns what was taken.
    Separate transactions return what was taken for the revocation later. The amount of the
    transaction returned here is what the revocation itself took, so it may be 0. Once nothing is
    owed, an account that the revocation froze becomes active again, unless another revocation or a
    person froze it too.

    Raises:
        ReversalError: nothing is left to give back, or less than ``amount``.
    """
    value = None if amount is None else parse_amount(amount)
    text = arguments.description(reason, "reason")
    id_ = arguments.transaction_id(transaction)
    key = arguments.key(idempotency_key)
    outcome = _REVERSE.call(
        database_of(transaction),
        transaction=id_,
        amount=value,
        description=text,
        actor=arguments.actor_id(actor),
        key=key,
        fingerprint=key and arguments.fingerprint("reverse", id_, value),
        metadata=arguments.metadata(metadata),
    )
    if outcome.answer == "overflow":
        raise InvalidAmountError("amount", f"the balance must stay below {LIMIT:f}.")
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
    """Take credits back from a lot whose payment is refunded.

    This also takes from the lots that a conversion or roll-over made of it. It never takes held
    credits, never makes a lot negative, and never takes more than the lot had, less what already
    expired or was revoked. The transaction's ``shortfall`` is what was used or is held, so its
    amount may be 0. The shortfall is taken when it comes back into one of these lots by a release,
    a time-out or a reversal. ``policy`` decides what else happens, by default
    ``QUICKSCALE_CREDITS_SHORTFALL_POLICY``: ``"write_off"``, ``"freeze"``, or ``"overdraft"``,
    which other free credits repay at once.
    """
    id_ = arguments.lot_id(lot)
    if lot.credit_type == CreditLot.CreditType.OVERDRAFT:
        raise InvalidRequestError("lot", "an overdraft was not paid for.")
    value = parse_amount(amount)
    text = arguments.description(reason, "reason")
    policy = policy or app_settings.shortfall_policy
    if policy not in SHORTFALL_POLICIES:
        raise InvalidRequestError("policy", f"{policy!r} is none of {SHORTFALL_POLICIES}.")
    key = arguments.key(idempotency_key)
    outcome = _REVOKE.call(
        database_of(lot),
        lot=id_,
        amount=value,
        description=text,
        policy=policy,
        actor=arguments.actor_id(actor),
        key=key,
        fingerprint=key and arguments.fingerprint("revoke", id_, value, policy),
        metadata=arguments.metadata(metadata),
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

    A lot is converted only once: a second call returns the first transaction. Returns ``None`` if
    nothing is left. This is meant for a paid change of plan only; the caller must ensure that.
    """
    arguments.lot_id(lot)
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
    """Extend what is left of a lot, at most ``cap``, until ``expires_at``.

    Credits above the cap keep their end. A lot is rolled over only once: a second call returns the
    first transaction. Returns ``None`` if nothing is left.
    """
    arguments.lot_id(lot)
    if lot.expires_at is None:
        raise InvalidRequestError("lot", "credits that never end need no roll-over.")
    ends = arguments.moment("expires_at", expires_at)
    if ends is None:
        raise InvalidRequestError("expires_at", "rolled-over credits need an end.")
    return _move(lot, "ledger:rollover", lot.credit_type, ends, description, cap, actor, metadata)


def transfer(
    *,
    lot: CreditLot,
    to: CreditAccount,
    description: str,
    amount: Amount | None = None,
    idempotency_key: str | None = None,
    actor: Any = None,
    metadata: Mapping[str, Any] | None = None,
) -> CreditTransaction | None:
    """Move credits of a lot to another account, such as when two users are merged.

    ``amount`` is by default all free credits; held credits stay with their hold. The receiver gets
    a new lot with the same type, priority, start, end, source and period, and a proportional share
    of the cost. Its ``transferred_from`` is the original lot. Frozen accounts can give and receive,
    and the lot need not have started.

    Returns the transaction of the giving account, to which ``idempotency_key`` belongs, or ``None``
    if nothing is free. A later :func:`revoke` of the lot takes only what stayed in it: see
    :meth:`~quickscale_credits.managers.LotQuerySet.with_transfers` for the rest.

    Raises:
        InsufficientCreditsError: less than ``amount`` is free.
    """
    lot_id, to_id = arguments.lot_id(lot), arguments.account_id(to, "to")
    if lot.credit_type == CreditLot.CreditType.OVERDRAFT:
        raise InvalidRequestError("lot", "an overdraft stays with its account.")
    if lot.account_id == to_id:
        raise InvalidRequestError("to", "the lot already belongs to this account.")
    using = database_of(lot)
    if database_of(to) != using:
        raise InvalidRequestError("to", "the accounts must be in the same database.")
    value = None if amount is None else parse_amount(amount)
    key = arguments.key(idempotency_key)
    outcome = _TRANSFER.call(
        using,
        lot=lot_id,
        account=to_id,
        amount=value,
        description=arguments.description(description),
        actor=arguments.actor_id(actor),
        key=key,
        fingerprint=key and arguments.fingerprint("transfer", lot_id, to_id, value),
        metadata=arguments.metadata(metadata),
    )
    if outcome.answer == "nothing":
        return None
    if outcome.answer == "overflow":
        raise InvalidAmountError("amount", f"the balance must stay below {LIMIT:f}.")
    entry = answered(outcome, key)
    if not entry.replayed:
        outbox.deliver_after_commit(to_id, since=entry.created_at, using=using)
    return entry


def freeze(*, account: CreditAccount, actor: Any = None, reason: str = "") -> CreditAccount:
    """Stop uses and new holds of an account; credits can still be added.

    Like the other functions that change an account, this records who did it and why in
    ``account.changes``.
    """
    return _set_status(account, CreditAccount.Status.FROZEN, actor, reason)


def unfreeze(*, account: CreditAccount, actor: Any = None, reason: str = "") -> CreditAccount:
    """Make a frozen account usable again."""
    return _set_status(account, CreditAccount.Status.ACTIVE, actor, reason)


def close(*, account: CreditAccount, actor: Any = None, reason: str = "") -> CreditAccount:
    """Close an account for good: it can no longer be used, but its history stays.

    Raises:
        HoldStateError: a hold is open.
    """
    return _set_status(account, CreditAccount.Status.CLOSED, actor, reason)


def set_overdraft_limit(
    *, account: CreditAccount, limit: Amount, actor: Any = None, reason: str = ""
) -> CreditAccount:
    """Set how far an account may be overdrawn; 0 allows no overdraft.

    Raises:
        InvalidAmountError: the account is already overdrawn by more.
    """
    value = parse_amount(limit, name="limit", zero=True)
    if _change(account, "set_overdraft", value, actor, reason) == "used":
        raise InvalidAmountError("limit", "the account is already overdrawn by more.")
    return account


def set_low_balance(
    *, account: CreditAccount, threshold: Amount | None, actor: Any = None, reason: str = ""
) -> CreditAccount:
    """Set the balance that counts as low for an account; ``None`` means that none does."""
    value = None if threshold is None else parse_amount(threshold, name="threshold", zero=True)
    _change(account, "set_low_balance", value, actor, reason)
    return account


@dataclass(frozen=True, slots=True)
class Sweep:
    """The number of accounts that a sweep posted, and the ids of those that it could not post.

    ``announced`` is the number of lots whose end was announced.
    """

    posted: int
    failed: tuple[int, ...]
    announced: int


def expire_due(*, limit: int | None = None, using: str | None = None) -> int:
    """Post the expiries and time-outs that are due, on at most ``limit`` accounts.

    Returns the number of accounts changed. Balances are right without this call; it brings the
    history and the stored figures up to date. Locked accounts are skipped. An account with corrupt
    figures is left alone and logged as an error, and the others are posted; :func:`sweep` returns
    their ids. Credits that end within ``QUICKSCALE_CREDITS_EXPIRY_WARNINGS`` are announced.
    """
    return sweep(limit=limit, using=using).posted


def sweep(*, limit: int | None = None, using: str | None = None) -> Sweep:
    """Do the same as :func:`expire_due` and return the details."""
    using = using or database_of()
    touched = 0
    passed: list[int] = []
    while limit is None or touched < limit:
        batch = _SWEEP if limit is None else min(_SWEEP, limit - touched)
        with write_cursor(using) as cursor:
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
    with write_cursor(using) as cursor:
        cursor.execute("SELECT quickscale_credits_announce(%s::interval[], %s)", [windows, limit])
        announced: int = cursor.fetchone()[0]
    return announced


_REQUIRED = ("account", "amount", "description")
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


def _check_names(spend: Mapping[str, Any]) -> None:
    for name in spend:
        if name not in _REQUIRED and name not in _OPTIONAL:
            known = ", ".join([*_REQUIRED, *_OPTIONAL])
            raise InvalidRequestError(str(name), f"a spend takes only the arguments {known}.")
    for name in _REQUIRED:
        if name not in spend:
            raise InvalidRequestError(name, "it is missing.")


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
    text = arguments.description(description)
    service_id = arguments.service_id(service)
    key = arguments.key(idempotency_key) or None
    return _Spend(
        arguments.account_id(account),
        value,
        text,
        service_id,
        arguments.actor_id(actor),
        key,
        key and arguments.fingerprint(kind, value, service_id),
        None if metadata is None else arguments.metadata(metadata),
    )


def _spend(using: str, kind: str, spends: Sequence[_Spend]) -> list[Outcome[CreditTransaction]]:
    """Spend by ascending account; return the outcomes in the order of the spends."""
    order = sorted(range(len(spends)), key=lambda position: spends[position].account)
    columns = map(array, zip(*(spends[position] for position in order), strict=True))
    accounts, amounts, descriptions, services, actors, keys, fingerprints, metadata = columns
    outcomes = _SPEND.call_many(
        using,
        kind=kind,
        accounts=accounts,
        amounts=amounts,
        descriptions=descriptions,
        services=services,
        actors=actors,
        keys=keys,
        fingerprints=fingerprints,
        metadata=metadata,
    )
    by_position = dict(zip(order, outcomes, strict=True))
    return [by_position[position] for position in range(len(spends))]


def _captured(
    hold: CreditHold | None, outcome: Outcome[CreditTransaction], key: str = ""
) -> CreditTransaction | None:
    """Return the transaction of an operation that closes a hold, and update the hold."""
    entry = None
    if outcome.row is None:
        refuse(outcome, key)
    else:
        entry = answered(outcome, key)
    if hold is not None and entry is not None and entry.hold_id == hold.pk:
        hold.status = CreditHold.Status.CAPTURED
        hold.captured = min(hold.amount, -entry.amount)
        hold.closed_at = entry.created_at
        entry.hold = hold
    elif hold is not None:
        hold.refresh_from_db(using=outcome.using)
    return entry


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
        lot=arguments.lot_id(lot),
        cap=LIMIT if cap is None else parse_amount(cap, name="cap"),
        type=credit_type,
        priority=app_settings.priorities[credit_type],
        expires_at=ends,
        source_type=source_type,
        description=arguments.description(description),
        actor=arguments.actor_id(actor),
        metadata=arguments.metadata(metadata),
    )
    if outcome.answer == "nothing":
        return None
    if outcome.answer == "ended":
        raise InvalidRequestError("expires_at", f"{ends} is in the past or before the start.")
    return answered(outcome, f"{source_type}:{lot.pk}")


def _set_status(account: CreditAccount, status: str, actor: Any, reason: str) -> CreditAccount:
    answer = _change(account, "set_status", status, actor, reason)
    if answer == "closed":
        raise AccountClosedError("closed")
    if answer == "held":
        raise HoldStateError("open")
    return account


def _change(account: CreditAccount, name: str, value: Any, actor: Any, reason: str) -> str:
    """Call the function that sets a value of an account, and refresh the account.

    Raises:
        CreditAccount.DoesNotExist: the account no longer exists.
    """
    using = database_of(account)
    values = [arguments.account_id(account), value, arguments.actor_id(actor)]
    with write_cursor(using) as cursor:
        cursor.execute(
            f"SELECT quickscale_credits_{name}(%s, %s, %s, %s)",
            [*values, arguments.reason(reason)],
        )
        answer: str = cursor.fetchone()[0]
    if answer == "gone actor":
        raise InvalidRequestError("actor", "it no longer exists.")
    account.refresh_from_db(using=using)
    return answer


aadd_credits = sync_to_async(add_credits)
acapture = sync_to_async(capture)
aclose = sync_to_async(close)
aconsume_credits = sync_to_async(consume_credits)
aconsume_many = sync_to_async(consume_many)
aconvert = sync_to_async(convert)
aexpire_due = sync_to_async(expire_due)
afreeze = sync_to_async(freeze)
ahold_credits = sync_to_async(hold_credits)
aopen_account = sync_to_async(open_account)
aprolong = sync_to_async(prolong)
arebuild = sync_to_async(rebuild)
arelease = sync_to_async(release)
aremove_credits = sync_to_async(remove_credits)
areverse = sync_to_async(reverse)
arevoke = sync_to_async(revoke)
aroll_over = sync_to_async(roll_over)
aset_low_balance = sync_to_async(set_low_balance)
aset_overdraft_limit = sync_to_async(set_overdraft_limit)
asettle = sync_to_async(settle)
asweep = sync_to_async(sweep)
atransfer = sync_to_async(transfer)
aunfreeze = sync_to_async(unfreeze)
averify = sync_to_async(verify)
