"""Read what people are shown about an account's credits, in a fixed number of queries."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from decimal import Decimal
from typing import Any

from django.db.models import Case, F, Min, OuterRef, Q, QuerySet, Subquery, Sum, When
from django.db.models.functions import Coalesce, TruncDate
from django.http import HttpRequest
from django.utils import timezone

from quickscale.formats import format_credits, format_day, plural_number
from quickscale.internal.per_request import once_per_request
from quickscale.owner import owner_of_page
from quickscale_credits.internal import outbox
from quickscale_credits.internal.databases import database_of, write_atomic, write_cursor
from quickscale_credits.internal.expressions import LedgerClock
from quickscale_credits.models import (
    CreditAccount,
    CreditAllocation,
    CreditLot,
    CreditTransaction,
)

SHOWN = 3
RECENT = 5
_POST_DUE = """
SELECT quickscale_credits_post_due(due.id, quickscale_credits_clock())
  FROM (SELECT id FROM quickscale_credits_creditaccount
         WHERE id = %s AND next_due_at <= quickscale_credits_clock()
           FOR NO KEY UPDATE SKIP LOCKED) due
"""


@dataclass(frozen=True)
class Stock:
    """The credits of one type and priority that start on one day and end on one day.

    ``begins`` is ``None`` if they have started, and ``ends`` if they never end. ``total`` counts
    held credits, which outlive their end, and ``ending`` only those that have not ended.
    """

    credit_type: str
    priority: int
    begins: date | None
    begins_at: datetime
    ends: date | None
    ends_at: datetime | None
    total: Decimal
    total_held: Decimal
    ending: Decimal | None


@dataclass(frozen=True)
class Dated:
    """A number of credits that start or end on the day of ``at``, or that never end."""

    amount: Decimal
    at: datetime | None

    @property
    def number(self) -> int:
        return plural_number(self.amount)

    @property
    def words(self) -> dict[str, str]:
        """The amount and the day as text, for a sentence."""
        date = format_day(self.at) if self.at else ""
        return {"amount": format_credits(self.amount), "date": date}


@dataclass(frozen=True)
class Calendar:
    """Credits by the day on which they start or end, the nearest first."""

    days: list[Dated]

    @property
    def nearest(self) -> list[Dated]:
        """The first days, as many as people want to read."""
        return self.days[:SHOWN]

    @property
    def later(self) -> Dated | None:
        """The credits of all later days together, with the last of these days."""
        rest = self.days[SHOWN:]
        return Dated(_sum(day.amount for day in rest), rest[-1].at) if rest else None


@dataclass(frozen=True)
class TypeBalance:
    """The credits of one type, and when they end."""

    code: str
    label: str
    amount: Decimal
    ends: Calendar

    @property
    def ends_at(self) -> datetime | None:
        """The time when the first of them end, if any do."""
        return self.ends.days[0].at if self.ends.days else None

    @property
    def end_together(self) -> bool:
        """Whether all of them end on the same day."""
        return [day.amount for day in self.ends.days] == [self.amount]

    @property
    def lasting(self) -> Dated | None:
        """The credits that never end."""
        rest = self.amount - _sum(day.amount for day in self.ends.days)
        return Dated(rest, None) if rest > 0 else None


@dataclass(frozen=True)
class BalanceOverview:
    """``available`` can be spent now; ``held`` is set aside for work in progress.

    ``by_type`` is in the order of spending and counts held credits. ``coming`` are credits that
    are already added but can't be spent yet.
    """

    available: Decimal
    held: Decimal
    by_type: list[TypeBalance]
    coming: Calendar


def current_account(owner: Any) -> CreditAccount:
    """Return the owner's account with expiries posted, so its history adds up to its balance.

    This does not wait for a lock: while the account is locked, its history stays as it was.
    """
    account = CreditAccount.objects.to_read(owner)
    due = account.next_due_at
    if due and due <= timezone.now():
        using = database_of(account)
        with write_atomic(using), write_cursor(using) as cursor:
            cursor.execute(_POST_DUE, [account.pk])
            outbox.deliver_after_commit(account.pk, since=due, using=using)
    return account


@once_per_request
def account_of_request(request: HttpRequest) -> CreditAccount:
    """Return the account of the owner that the request acts for, as :func:`current_account` does.

    A page and all panels on it share it.
    """
    return current_account(owner_of_page(request))


def read_stocks(account: CreditAccount, zone: tzinfo | None = None) -> list[Stock]:
    """Return what an account has, in the order of spending, with 1 query.

    The days are those of ``zone``, by default the current one.
    """
    is_coming = Q(effective_at__gt=LedgerClock())
    has_not_ended = Q(expires_at__gt=LedgerClock())
    rows = (
        account.lots.open()
        .order_by()
        .values(
            "credit_type",
            "priority",
            begins=Case(When(is_coming, then=TruncDate("effective_at", tzinfo=zone))),
            ends=TruncDate("expires_at", tzinfo=zone),
        )
        .annotate(
            begins_at=Min("effective_at"),
            ends_at=Min("expires_at", filter=has_not_ended),
            total=Sum("live_remaining"),
            total_held=Sum("live_held"),
            ending=Sum("live_remaining", filter=has_not_ended),
        )
        .order_by("priority", F("ends_at").asc(nulls_last=True), "credit_type")
    )
    return [Stock(**row) for row in rows]


def balance_overview(account: CreditAccount) -> BalanceOverview:
    """Return the balance of an account, with 1 query."""
    return overview_of(read_stocks(account))


def overview_of(stocks: Iterable[Stock]) -> BalanceOverview:
    """Return the balance that the stocks of an account make up."""
    started: dict[str, list[Stock]] = {}
    coming: list[Stock] = []
    for stock in stocks:
        if stock.begins:
            coming.append(stock)
        else:
            started.setdefault(stock.credit_type, []).append(stock)
    types = [_type_balance(code, of_type) for code, of_type in started.items()]
    held = _sum(stock.total_held for of_type in started.values() for stock in of_type)
    return BalanceOverview(
        available=_sum(type_.amount for type_ in types) - held,
        held=held,
        by_type=[type_ for type_ in types if type_.amount],
        coming=_calendar((stock.begins_at, stock.total) for stock in coming),
    )


def _type_balance(code: str, stocks: list[Stock]) -> TypeBalance:
    return TypeBalance(
        code=code,
        label=str(CreditLot.CreditType(code).label),
        amount=_sum(stock.total for stock in stocks),
        ends=_calendar(
            (stock.ends_at, stock.ending) for stock in stocks if stock.ends_at and stock.ending
        ),
    )


def _calendar(parts: Iterable[tuple[datetime, Decimal]]) -> Calendar:
    """Add up the credits of each day, and date them with its first moment."""
    days: dict[date, Dated] = {}
    for at, amount in sorted(parts):
        day = timezone.localdate(at)
        first = days.get(day, Dated(Decimal(0), at))
        days[day] = Dated(first.amount + amount, first.at)
    return Calendar([day for day in days.values() if day.amount > 0])


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, Decimal(0))


def paid_by_type(transaction: CreditTransaction) -> list[TypeBalance]:
    """Return the types of credits that paid for a spend, without their ends."""
    rows = (
        transaction.allocations.values("lot__credit_type")
        .annotate(total=Sum("amount"), order=Min("lot__priority"))
        .order_by("order", "lot__credit_type")
    )
    return [
        TypeBalance(
            code=row["lot__credit_type"],
            label=str(CreditLot.CreditType(row["lot__credit_type"]).label),
            amount=-row["total"],
            ends=Calendar([]),
        )
        for row in rows
    ]


def recent_activity(account: CreditAccount) -> list[CreditTransaction]:
    """Return an account's last entries, newest first, after :func:`with_scheduled`."""
    entries = account.transactions.select_related("service", "usage").order_by("-sequence")
    return list(with_scheduled(entries)[:RECENT])


def with_scheduled(entries: QuerySet[CreditTransaction]) -> QuerySet[CreditTransaction]:
    """Annotate entries with ``usable_after`` and ``coming``.

    The ledger counts credits as soon as they are added, even if they start later. ``usable_after``
    is the balance after an entry without those credits, as people expect it. ``coming`` is the
    number of those credits that the entry itself added or took.
    """
    not_started = (
        CreditAllocation.objects.order_by()
        .filter(
            lot__account=OuterRef("account"),
            lot__effective_at__gt=OuterRef("created_at"),
        )
        .filter(lot__effective_at__gt=F("lot__created_at"))
    )  # The index of scheduled lots needs it.
    before, own = (
        Coalesce(Subquery(part.values("lot__account").values_list(Sum("amount"))), Decimal(0))
        for part in (
            not_started.filter(transaction__lte=OuterRef("pk")),
            not_started.filter(transaction=OuterRef("pk")),
        )
    )
    return entries.annotate(usable_after=F("balance_after") - before, coming=own)
