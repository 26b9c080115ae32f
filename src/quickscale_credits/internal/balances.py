"""Read what people are shown about an account's credits, in a fixed number of queries."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from operator import itemgetter
from typing import Any

from django.db.models import F, Min, Q, Sum
from django.db.models.functions import TruncDate
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


def balance_overview(account: CreditAccount) -> BalanceOverview:
    """Return the balance of an account, with 2 queries."""
    rows = (
        account.lots.live()
        .filter(~Q(live_remaining=0))
        .order_by()
        .values("credit_type", day=TruncDate("expires_at"))
        .annotate(
            total=Sum("live_remaining"),
            total_held=Sum("live_held"),
            order=Min("priority"),
            # Held credits that have ended since are not credits that will end.
            ending=Sum("live_remaining", filter=Q(expires_at__gt=LedgerClock())),
            ends_at=Min("expires_at", filter=Q(expires_at__gt=LedgerClock())),
        )
        .order_by("order", F("ends_at").asc(nulls_last=True), "credit_type")
    )
    by_type: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_type.setdefault(row["credit_type"], []).append({**row})
    types = [_type_balance(code, rows) for code, rows in by_type.items()]
    held = _sum(row["total_held"] for rows in by_type.values() for row in rows)
    return BalanceOverview(
        available=_sum(type_.amount for type_ in types) - held,
        held=held,
        by_type=types,
        coming=_coming(account),
    )


def _type_balance(code: str, rows: list[dict[str, Any]]) -> TypeBalance:
    ending = [row for row in rows if row["ends_at"] and row["ending"] > 0]
    return TypeBalance(
        code=code,
        label=str(CreditLot.CreditType(code).label),
        amount=_sum(row["total"] for row in rows),
        ends=Calendar(
            [
                Dated(row["ending"], row["ends_at"])
                for row in sorted(ending, key=itemgetter("ends_at"))
            ]
        ),
    )


def _coming(account: CreditAccount) -> Calendar:
    rows = (
        account.lots.filter(is_open=True, remaining__gt=0, effective_at__gt=LedgerClock())
        .order_by()
        .values(day=TruncDate("effective_at"))
        .annotate(total=Sum("remaining"), begins_at=Min("effective_at"))
        .order_by("begins_at")
    )
    return Calendar([Dated(row["total"], row["begins_at"]) for row in rows])


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
    """Return an account's last entries, newest first, after :func:`annotate_scheduled`."""
    entries = account.transactions.select_related("service", "usage").order_by("-sequence")[:RECENT]
    return annotate_scheduled(account, list(entries))


def annotate_scheduled(
    account: CreditAccount, entries: list[CreditTransaction]
) -> list[CreditTransaction]:
    """Set ``usable_after`` and ``coming`` on entries of an account, with 1 query.

    The ledger counts credits as soon as they are added, even if they start later. ``usable_after``
    is the balance after an entry without those credits, as people expect it. ``coming`` is the
    number of those credits that the entry itself added or took.
    """
    scheduled = []
    if entries:
        scheduled = list(
            CreditAllocation.objects.filter(
                lot__account=account,
                lot__effective_at__gt=F("lot__created_at"),
                transaction__created_at__lt=F("lot__effective_at"),
            )
            .filter(lot__effective_at__gt=min(entry.created_at for entry in entries))
            .values_list("transaction__sequence", "lot__effective_at", "amount")
        )
    for entry in entries:
        later = [
            (sequence, amount)
            for sequence, begins_at, amount in scheduled
            if sequence <= entry.sequence and begins_at > entry.created_at
        ]
        entry.usable_after = entry.balance_after - _sum(amount for _, amount in later)
        entry.coming = _sum(amount for sequence, amount in later if sequence == entry.sequence)
    return entries
