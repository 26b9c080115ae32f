"""What people are shown of an account's credits, in a fixed number of queries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.models import F, Min, Q, Sum
from django.utils import timezone

from quickscale_credits import outbox
from quickscale_credits.managers import LedgerClock
from quickscale_credits.models import CreditAccount, CreditLot, CreditTransaction

SHOWN_ENDINGS = 5
RECENT = 5
_POST_DUE = """
SELECT quickscale_credits_post_due(due.id, quickscale_credits_clock())
  FROM (SELECT id FROM quickscale_credits_creditaccount
         WHERE id = %s AND next_due_at <= quickscale_credits_clock()
           FOR NO KEY UPDATE SKIP LOCKED) due
"""


@dataclass(frozen=True)
class TypeBalance:
    """The credits of one type; ``ends_at`` is when the first of them end, if any do."""

    code: str
    label: str
    amount: Decimal
    ends_at: datetime | None


@dataclass(frozen=True)
class BalanceOverview:
    """``available`` can be spent now, ``held`` waits for work that goes on.

    ``by_type`` is in the order of spending and counts held credits; ``ending`` are the lots that
    end first, with ``live_remaining`` credits each.
    """

    available: Decimal
    held: Decimal
    by_type: list[TypeBalance]
    ending: list[CreditLot]

    @property
    def has_more_endings(self) -> bool:
        """Whether the ends by type leave one out."""
        return len(self.ending) > sum(bool(type_.ends_at) for type_ in self.by_type)


def current_account(owner: Any) -> CreditAccount:
    """The owner's account, with what has ended posted, so that its history adds up to its balance.

    Nobody is waited for: while the account is locked, its history is as it was.
    """
    account = CreditAccount.objects.for_owner(owner)
    due = account.next_due_at
    if due and due <= timezone.now():
        using = account._state.db or DEFAULT_DB_ALIAS
        with transaction.atomic(using), connections[using].cursor() as cursor:
            cursor.execute(_POST_DUE, [account.pk])
            outbox.deliver_after_commit(account.pk, since=due, using=using)
    return account


def balance_overview(account: CreditAccount) -> BalanceOverview:
    """The balance of an account: 2 queries."""
    lots = account.lots.live()
    rows = list(
        lots.filter(~Q(live_remaining=0))
        .order_by()
        .values("credit_type")
        .annotate(
            total=Sum("live_remaining"),
            total_held=Sum("live_held"),
            order=Min("priority"),
            ends_at=Min("expires_at", filter=Q(expires_at__gt=LedgerClock())),
        )
        .order_by("order", F("ends_at").asc(nulls_last=True), "credit_type")
    )
    total = sum((row["total"] for row in rows), Decimal(0))
    held = sum((row["total_held"] for row in rows), Decimal(0))
    return BalanceOverview(
        available=total - held,
        held=held,
        by_type=[
            TypeBalance(
                code=row["credit_type"],
                label=str(CreditLot.CreditType(row["credit_type"]).label),
                amount=row["total"],
                ends_at=row["ends_at"],
            )
            for row in rows
        ],
        ending=list(
            lots.filter(Q(live_remaining__gt=0), expires_at__gt=LedgerClock()).order_by(
                "expires_at", "id"
            )[:SHOWN_ENDINGS]
        ),
    )


def paid_by_type(transaction: CreditTransaction) -> list[TypeBalance]:
    """From which types of credits a spend was paid; ``ends_at`` is not told here."""
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
            ends_at=None,
        )
        for row in rows
    ]


def recent_activity(account: CreditAccount) -> list[CreditTransaction]:
    """The last entries of an account, newest first."""
    return list(account.transactions.select_related("service").order_by("-sequence")[:RECENT])
