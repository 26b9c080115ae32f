"""Sums of an account's uses by day, continued from those of an earlier read.

Entries of the journal never change, and what is given back is an entry of its own. So the sums of
a long journal are kept in Django's cache, and the next read only adds the entries since then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from typing import Any, TypeAlias

from django.core.cache import cache
from django.db.models import OuterRef, Subquery

from quickscale_credits.conf import app_settings
from quickscale_credits.internal.expressions import FirstEntry
from quickscale_credits.models import CreditAccount, CreditTransaction

_KEPT_DAYS = 3 * 366
_KEPT_SECONDS = 7 * 86_400
_NEVER = 2**63 - 1
_DAY = timedelta(days=1)

Key: TypeAlias = "tuple[Any, ...]"
Numbers: TypeAlias = "tuple[Decimal | int, ...]"


@dataclass(frozen=True)
class Span:
    """The uses of some days, and the entries of the journal to read for them.

    The uses have keys from ``first`` to before ``end``. Of all entries, those with keys after
    ``after`` and up to ``last`` are to be read.
    """

    since: date
    until: date
    first: int
    end: int
    after: int
    last: int


@dataclass(frozen=True)
class _Kept:
    """Sums from ``since`` up to the entry ``last``, which is the same one if its time is."""

    since: date
    first: int
    last: int
    last_at: datetime
    sequence: int
    sums: dict[Key, Numbers]


def is_long(account: CreditAccount) -> bool:
    """Return whether the first read of an account's sums may take longer than a page should."""
    return account.next_sequence > app_settings.long_journal


def sums_by_day(
    name: str,
    account: CreditAccount,
    since: date,
    until: date,
    zone: tzinfo,
    read: Callable[[Span], Iterable[tuple[Key, Numbers]]],
) -> dict[Key, Numbers]:
    """Return the sums of what ``read`` yields, with keys that start with a day of the range.

    ``read`` is called once, and yields the uses of a span and, as negative numbers, what was given
    back of them in it. ``name`` says in the cache what is summed.
    """
    using = account.transactions.db
    key = f"quickscale_credits.{name}.{using}.{account.pk}.{zone}".replace(" ", "")
    kept: _Kept | None = cache.get(key) if is_long(account) else None
    entries = CreditTransaction.objects.using(using).filter(account=OuterRef("pk"))
    newest = entries.order_by("-sequence")
    row = (
        CreditAccount.objects.using(using)
        .filter(pk=account.pk)
        .values_list(
            FirstEntry("pk", midnight(since, zone)),
            FirstEntry("pk", midnight(until + _DAY, zone)),
            *(Subquery(newest.values(name)[:1]) for name in ("pk", "created_at", "sequence")),
            Subquery(entries.filter(pk=kept.last if kept else 0).values("created_at")),
        )
        .first()
    )
    first, end, last, last_at, sequence, kept_at = row or [None] * 6
    if first is None:
        return {}
    if kept and kept.last_at == kept_at and kept.since <= since <= kept.since + _KEPT_DAYS * _DAY:
        sums = dict(kept.sums)
        begins, first, end, after = kept.since, kept.first, None, kept.last
        to_keep = sequence - kept.sequence > app_settings.long_journal / 10
    else:
        sums = {}
        begins, after = since, 0
        to_keep = is_long(account) and end is None
    ends = until if end else last_at.astimezone(zone).date()
    span = Span(begins, ends, first, end or _NEVER, after, last)
    for day_and_more, numbers in read(span):
        before = sums.get(day_and_more) or (0,) * len(numbers)
        sums[day_and_more] = tuple(a + b for a, b in zip(before, numbers, strict=True))
    if to_keep:
        kept = _Kept(begins, first, last, last_at, sequence, sums)
        cache.set(key, kept, _KEPT_SECONDS)
    return {each: numbers for each, numbers in sums.items() if since <= each[0] <= until}


def midnight(day: date, zone: tzinfo) -> datetime:
    """Return the moment at which a day begins."""
    return datetime.combine(day, time(), zone)
