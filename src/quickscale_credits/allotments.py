"""Credits that come in portions, such as monthly credits for a year that is paid for at once.

All portions are added when the term starts, each as a lot with the start and end of its own
period. The lots alone decide what can be spent at any moment: no job has to run, and no portion
can come late, twice, or after the term. See ``docs/decisions/allotments.md``.

The functions follow the rules of :mod:`quickscale_credits.ledger`: they take keyword arguments
only, make one round trip, are part of the caller's transaction, raise the same errors and have
async twins. ``source`` is the (type, id) of a schedule; the lot of its n-th period has the source
``(type, "<id>:<n>")``.
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
    """Split the time from ``anchor`` to ``until`` into periods of ``months`` months each.

    Each period starts on the anchor's day and local time, or on the last day of a month that lacks
    that day: 31 January is followed by 28 February and 31 March. If clocks skip that local time,
    the period starts later by the time skipped; if it occurs twice, the period starts at the first.
    The last period may be shorter than the others, or longer by less than a day, because a
    remainder of less than a day is added to it.

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
    """Add ``amount`` credits for each of the :func:`periods` from ``anchor`` to ``until``.

    The credits of a period can be spent from its start to its end. The credits of a period that
    has already ended are added too and expire at once, so the result does not depend on the time
    of the call. ``credit_type`` must be a type whose credits can end. ``cost`` is the money paid
    for the whole term.

    A source has one schedule. The same call again returns the first transaction; a different
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
    """Spread ``amount`` credits evenly over the periods of a term.

    This is like :func:`schedule_allotment`, but ``amount`` is the total of all periods. The first
    period gets the remainder of the division, or the whole amount if it is too small to divide.
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
    """Give ``amount`` for each period of a schedule, starting with the next period.

    The periods stay as they are and move to ``new_source``, which has the same type. The current
    period keeps its credits. A second call returns the first transaction. Returns ``None`` if no
    period is still to start.
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
    """Take back the periods of a schedule that start at ``at`` or later; by default, future ones.

    A period that started earlier keeps its credits until its end. If ``at`` is in the past, credits
    of later periods that are already used or held become the transaction's ``shortfall``. They are
    taken when they come back, as after :func:`quickscale_credits.ledger.revoke`. Returns ``None``
    if nothing is left to take, so a second call does no harm.
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
        raise InvalidAmountError("amount", f"the balance must stay below {LIMIT:f}.")


def _months_later(moment: datetime, months: int) -> datetime | None:
    """Return the same day and local time ``months`` later, or ``None`` beyond the year 9999."""
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    if year > MAXYEAR:
        return None
    day = min(moment.day, monthrange(year, month + 1)[1])
    later = moment.replace(year=year, month=month + 1, day=day, fold=0)
    try:
        # The round trip through UTC turns a local time that clocks skip into one that exists.
        return later.astimezone(UTC).astimezone(moment.tzinfo)
    except OverflowError:
        return None


acancel_allotment = sync_to_async(cancel_allotment)
achange_allotment = sync_to_async(change_allotment)
aschedule_allotment = sync_to_async(schedule_allotment)
aspread_credits = sync_to_async(spread_credits)
