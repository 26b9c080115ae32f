"""Credits that come in portions: some for each month of a term that is paid for or given at once.

All portions of the term are put in when it begins, each as a lot with the start and the end of its
own period. So what can be spent at a moment follows from the lots alone: no job has to run, and no
portion can come late, twice, or after the term. See ``docs/decisions/allotments.md``.

The writes are those of :mod:`quickscale_credits.ledger` in kind: keyword-only, one round trip, a
part of the caller's transaction, with the same errors and with async twins. ``source`` is the
(type, id) of a schedule; the lot of its n-th period has the source ``(type, "<id>:<n>")``.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Mapping, Sequence
from datetime import MAXYEAR, UTC, datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from itertools import pairwise
from typing import Any

from asgiref.sync import sync_to_async

from quickscale_credits.conf import app_settings
from quickscale_credits.exceptions import InvalidAmountError, InvalidRequestError
from quickscale_credits.internal import arguments
from quickscale_credits.internal.amounts import LIMIT, STEP, Amount, parse_amount
from quickscale_credits.internal.databases import database_of
from quickscale_credits.internal.functions import Operation, answered
from quickscale_credits.models import CreditAccount, CreditTransaction

__all__ = [
    "MAX_PERIODS",
    "Period",
    "acancel_allotment",
    "achange_allotment",
    "aschedule_allotment",
    "aspread_credits",
    "cancel_allotment",
    "change_allotment",
    "periods",
    "schedule_allotment",
    "spread_credits",
]

MAX_PERIODS = 120
SHORTEST_REST = timedelta(days=1)

Period = tuple[datetime, datetime]

_SCHEDULE = Operation(
    CreditTransaction,
    "schedule",
    "account bigint, amounts numeric[], begins timestamptz[], ends timestamptz[], "
    "description text, type text, priority smallint, source_type text, source_id text, "
    "cost_amount bigint, cost_currency text, actor text, metadata jsonb",
)
_WITHDRAW = Operation(
    CreditTransaction,
    "withdraw",
    "account bigint, source_type text, source_id text, start timestamptz, description text, "
    "actor text, metadata jsonb",
)
_RESCHEDULE = Operation(
    CreditTransaction,
    "reschedule",
    "account bigint, source_type text, source_id text, new_source_id text, amount numeric, "
    "description text, actor text, metadata jsonb",
)


def periods(anchor: datetime, until: datetime, *, months: int = 1) -> list[Period]:
    """Split the time from ``anchor`` to ``until`` into periods of that many months.

    Each period begins on the anchor's day and local time, or on the last day of a month that has no
    such day: from 31 January on 28 February and 31 March. Where clocks skip that local time, the
    period begins as much later; where it comes twice, with the first. The last period may be
    shorter than the others, and longer by less than a day: a rest as short as that is not a period
    of its own.

    Raises:
        InvalidRequestError: ``until`` is not after ``anchor``, or there are more than
            ``MAX_PERIODS`` periods.
    """
    begins, ends = arguments.moment("anchor", anchor), arguments.moment("until", until)
    if begins is None or ends is None or ends <= begins:
        raise InvalidRequestError("until", f"{until!r} is not after {anchor!r}.")
    months = arguments.months(months)
    bounds = [anchor]
    while True:
        following = _months_later(anchor, len(bounds) * months)
        if following is None or ends - following < SHORTEST_REST:
            return list(pairwise([*bounds, until]))
        if len(bounds) == MAX_PERIODS:
            raise InvalidRequestError("until", f"there would be more than {MAX_PERIODS} periods.")
        bounds.append(following)


def schedule_allotment(
    *,
    account: CreditAccount,
    amount: Amount,
    description: str,
    anchor: datetime,
    until: datetime,
    source: tuple[str, str],
    months: int = 1,
    credit_type: str = "subscription",
    priority: int | None = None,
    cost: tuple[int, str] | None = None,
    actor: Any = None,
    metadata: Mapping[str, Any] | None = None,
) -> CreditTransaction:
    """Put ``amount`` credits in for each of the :func:`periods` from ``anchor`` to ``until``.

    The credits of a period can be spent from its begin to its end. A period that has ended when
    this is called comes in all the same, and expires at once: nothing depends on when it is.
    ``credit_type`` is one whose credits may end. ``cost`` is the money paid for the whole term.

    A source has one schedule: the same call again returns the first transaction, and another
    amount, type or period is a conflict.
    """
    terms = periods(anchor, until, months=months)
    return _schedule(
        account, [parse_amount(amount)] * len(terms), terms, description, source, credit_type,
        priority, cost, actor, metadata,
    )  # fmt: skip


def spread_credits(
    *,
    account: CreditAccount,
    amount: Amount,
    description: str,
    anchor: datetime,
    until: datetime,
    source: tuple[str, str],
    months: int = 1,
    credit_type: str = "subscription",
    priority: int | None = None,
    cost: tuple[int, str] | None = None,
    actor: Any = None,
    metadata: Mapping[str, Any] | None = None,
) -> CreditTransaction:
    """Share ``amount`` credits out evenly over the periods of a term.

    As :func:`schedule_allotment`, but the amount is that of all periods together; what doesn't
    divide comes in the first, which is all of an amount too small to share.
    """
    terms = periods(anchor, until, months=months)
    total = parse_amount(amount)
    share = (total / len(terms)).quantize(STEP, ROUND_DOWN)
    if not share:
        terms = terms[:1]
    first = total - share * (len(terms) - 1)
    return _schedule(
        account, [first, *[share] * (len(terms) - 1)], terms, description, source, credit_type,
        priority, cost, actor, metadata,
    )  # fmt: skip


def change_allotment(
    *,
    account: CreditAccount,
    source: tuple[str, str],
    new_source: tuple[str, str],
    amount: Amount,
    description: str,
    actor: Any = None,
    metadata: Mapping[str, Any] | None = None,
) -> CreditTransaction | None:
    """From the next period on, give ``amount`` for each period of a schedule.

    The periods stay as they are; they go over to ``new_source``, which has the same type. The
    period that has begun keeps its credits. A second call returns the first transaction.
    ``None`` when no period is left to begin.
    """
    source_type, source_id = _source("source", source)
    new_type, new_id = _source("new_source", new_source)
    if new_type != source_type or new_id == source_id:
        raise InvalidRequestError("new_source", "use another id of the same type.")
    value = parse_amount(amount)
    outcome = _RESCHEDULE.call(
        database_of(account),
        account=arguments.account_id(account),
        source_type=source_type,
        source_id=source_id,
        new_source_id=new_id,
        amount=value,
        description=arguments.description(description),
        actor=arguments.actor_id(actor),
        metadata=arguments.metadata(metadata),
    )
    if outcome.answer == "nothing":
        return None
    _check_limit(outcome.answer)
    return answered(outcome, f"{new_type}:{new_id}", account)


def cancel_allotment(
    *,
    account: CreditAccount,
    source: tuple[str, str],
    reason: str,
    at: datetime | None = None,
    actor: Any = None,
    metadata: Mapping[str, Any] | None = None,
) -> CreditTransaction | None:
    """Take back the periods of a schedule that begin at ``at`` or later; else those to come.

    A period that has begun by then keeps its credits until its end. When ``at`` has passed, what
    was used of a later period since, or is held, is the transaction's ``shortfall``: it is taken
    when it comes back, as after :func:`quickscale_credits.ledger.revoke`. ``None`` when nothing is
    left to take, so a second call does no harm.
    """
    source_type, source_id = _source("source", source)
    outcome = _WITHDRAW.call(
        database_of(account),
        account=arguments.account_id(account),
        source_type=source_type,
        source_id=source_id,
        start=arguments.moment("at", at),
        description=arguments.description(reason, "reason"),
        actor=arguments.actor_id(actor),
        metadata=arguments.metadata(metadata),
    )
    if outcome.answer == "nothing":
        return None
    return answered(outcome, account=account)


def _schedule(
    account: CreditAccount,
    amounts: Sequence[Decimal],
    terms: Sequence[Period],
    description: str,
    source: tuple[str, str],
    credit_type: str,
    priority: int | None,
    cost: tuple[int, str] | None,
    actor: Any,
    metadata: Mapping[str, Any] | None,
) -> CreditTransaction:
    type_ = arguments.credit_type(credit_type, ends=True)
    source_type, source_id = _source("source", source)
    cost_amount, currency = arguments.cost(cost)
    outcome = _SCHEDULE.call(
        database_of(account),
        account=arguments.account_id(account),
        amounts=list(amounts),
        begins=[begin for begin, _ in terms],
        ends=[end for _, end in terms],
        description=arguments.description(description),
        type=type_,
        priority=arguments.priority(
            app_settings.priorities[type_] if priority is None else priority
        ),
        source_type=source_type,
        source_id=source_id,
        cost_amount=cost_amount,
        cost_currency=currency,
        actor=arguments.actor_id(actor),
        metadata=arguments.metadata(metadata),
    )
    _check_limit(outcome.answer)
    return answered(outcome, f"{source_type}:{source_id}", account)


def _source(argument: str, value: tuple[str, str]) -> tuple[str, str]:
    source_type, source_id = arguments.source(value, argument)
    if not source_type:
        raise InvalidRequestError(argument, "a schedule needs a source.")
    if len(source_id) + len(f":{MAX_PERIODS}") > arguments.MAX_KEY:
        raise InvalidRequestError(argument, "the id leaves no room for the period's number.")
    return source_type, source_id


def _check_limit(answer: str) -> None:
    if answer == "overflow":
        raise InvalidAmountError("amount", f"the balance would not be below {LIMIT:f}.")


def _months_later(moment: datetime, months: int) -> datetime | None:
    """Return the same day and local time that many months later; ``None`` beyond the year 9999."""
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    if year > MAXYEAR:
        return None
    day = min(moment.day, monthrange(year, month + 1)[1])
    later = moment.replace(year=year, month=month + 1, day=day, fold=0)
    try:
        # By way of UTC, a local time that clocks skip becomes one that there is.
        return later.astimezone(UTC).astimezone(moment.tzinfo)
    except OverflowError:
        return None


acancel_allotment = sync_to_async(cancel_allotment)
achange_allotment = sync_to_async(change_allotment)
aschedule_allotment = sync_to_async(schedule_allotment)
aspread_credits = sync_to_async(spread_credits)
