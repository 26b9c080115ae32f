"""Read what an account's credits are used for, for pages and reports.

::

    used = usage(account, since=date(2026, 11, 1), until=date(2026, 11, 30))
    used.credits, used.per_day, used.change
    [(day.day, day.credits) for day in used.days]
    [(each.service, each.credits) for each in used.services]

    coming = forecast(account, per_day=used.per_day)
    coming.runs_out

The database makes the sums. A use that was reversed is not counted, and one that was reversed in
part counts for the rest, on the day of the use. Credits that were taken from a hold count when they
were taken. Uses that cost nothing are not counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta, tzinfo
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from functools import partial
from typing import NamedTuple

from asgiref.sync import sync_to_async
from django.db.models import Count, F, OuterRef, Q, Subquery, Sum
from django.db.models.functions import TruncDate
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from quickscale.formats import format_number, in_credits, plural_number
from quickscale_credits.exceptions import InvalidRequestError
from quickscale_credits.internal.amounts import STEP
from quickscale_credits.internal.balances import Stock, read_stocks
from quickscale_credits.internal.databases import database_of, ledger_now
from quickscale_credits.internal.meters import read_meters, share_costs
from quickscale_credits.internal.running import Span, sums_by_day
from quickscale_credits.models import CreditAccount, CreditTransaction, Service

__all__ = [
    "DayUse",
    "Forecast",
    "MeterUse",
    "ServiceUse",
    "Suggestion",
    "UnitPrice",
    "UnusedCredits",
    "Usage",
    "forecast",
    "suggestions",
    "unit_price",
    "usage",
    "usage_by_meter",
]

MAX_DAYS = 366
_DAY = timedelta(days=1)
_HORIZON = timedelta(days=366)
_RISE = Decimal("0.5")
_SOON = timedelta(days=30)
_KIND = CreditTransaction.Kind


@dataclass(frozen=True)
class DayUse:
    """The credits used on a day, and the number of paid uses."""

    day: date
    credits: Decimal
    uses: int


@dataclass(frozen=True)
class ServiceUse:
    """The credits used for a service in a range, the most used first.

    ``service`` is ``None`` for spends that name none. ``by_day`` has the credits of each day of the
    range, and ``uses_by_day`` its uses. ``before`` and ``uses_before`` are the sums of the period
    before.
    """

    service: Service | None
    credits: Decimal
    uses: int
    by_day: list[Decimal]
    uses_by_day: list[int]
    before: Decimal
    uses_before: int


@dataclass(frozen=True)
class MeterUse:
    """How much of a service's meter was used, and paid for.

    ``credits`` is the meter's part of what the uses cost, by the prices that were applied. If a
    service has several meters, it is ``None`` if a cost hook or the code set the cost of a use.
    """

    service: Service
    meter: str
    quantity: Decimal
    credits: Decimal | None


@dataclass(frozen=True)
class Usage:
    """What an account used from ``since`` to ``until``, both included.

    ``days`` has every day of the range. ``before`` and ``uses_before`` are the sums of the period
    of the same length before it.
    """

    since: date
    until: date
    days: list[DayUse]
    services: list[ServiceUse]
    before: Decimal
    uses_before: int

    @property
    def credits(self) -> Decimal:
        return sum((day.credits for day in self.days), Decimal(0))

    @property
    def uses(self) -> int:
        return sum(day.uses for day in self.days)

    @property
    def per_day(self) -> Decimal:
        """The average per day, rounded to what an account can hold."""
        return _rounded(self.credits / len(self.days))

    @property
    def change(self) -> Decimal | None:
        """The difference to the period before, as a part of it: ``Decimal("0.5")`` for half more.

        It is ``None`` if nothing was used before.
        """
        return (self.credits - self.before) / self.before if self.before else None


@dataclass(frozen=True)
class UnusedCredits:
    """Credits that end on a day before they are used at the present pace."""

    amount: Decimal
    day: date


@dataclass(frozen=True)
class Forecast:
    """When the credits of an account are used up.

    ``runs_out`` is the first day on which they are not enough, or ``None`` if they last for more
    than a year. Credits that are already added but begin later count from then on.
    """

    today: date
    runs_out: date | None
    unused: list[UnusedCredits]


@dataclass(frozen=True)
class Suggestion:
    """Advice: ``kind`` is ``"buy"``, ``"unused"`` or ``"rise"``."""

    kind: str
    text: str


@dataclass(frozen=True)
class UnitPrice:
    """The average price of a credit that the account bought, in minor units of a currency."""

    price: Decimal
    currency: str

    def cost_of(self, amount: Decimal) -> int:
        """Return what a number of credits costs at this price, in minor units."""
        return int((amount * self.price).to_integral_value(ROUND_HALF_UP))


def usage(account: CreditAccount, *, since: date, until: date, zone: tzinfo | None = None) -> Usage:
    """Return what an account used in a range of days, with 3 queries.

    Args:
        zone: the time zone of the days, by default the current one.

    Raises:
        InvalidRequestError: the range is empty, or longer than 366 days.
    """
    zone = zone or timezone.get_current_timezone()
    length = _length(since, until)
    found: dict[int | None, dict[date, _Sum]] = {}
    sums = sums_by_day("uses", account, since - length, until, zone, partial(_uses, account, zone))
    for (day, service), numbers in sums.items():
        found.setdefault(service, {})[day] = _Sum(Decimal(numbers[0]), int(numbers[1]))
    days = [since + timedelta(days=n) for n in range(length.days)]
    earlier = [since - timedelta(days=n) for n in range(1, length.days + 1)]
    names = Service.objects.using(account.transactions.db).in_bulk([pk for pk in found if pk])
    services = []
    for pk, by_day in found.items():
        now = [by_day.get(day, _Sum()) for day in days]
        before = _total(by_day.get(day, _Sum()) for day in earlier)
        total = _total(now)
        if total.uses or before.uses:
            services.append(
                ServiceUse(
                    service=names.get(pk or 0),
                    credits=total.credits,
                    uses=total.uses,
                    by_day=[each.credits for each in now],
                    uses_by_day=[each.uses for each in now],
                    before=before.credits,
                    uses_before=before.uses,
                )
            )
    services.sort(key=lambda each: (-each.credits, each.service is None, str(each.service)))
    totals = [_total(of.get(day, _Sum()) for of in found.values()) for day in days]
    before = _total(of.get(day, _Sum()) for of in found.values() for day in earlier)
    return Usage(
        since=since,
        until=until,
        days=[
            DayUse(day, total.credits, total.uses) for day, total in zip(days, totals, strict=True)
        ],
        services=services,
        before=before.credits,
        uses_before=before.uses,
    )


def usage_by_meter(
    account: CreditAccount, *, since: date, until: date, zone: tzinfo | None = None
) -> list[MeterUse]:
    """Return what an account used of each meter in a range of days, with 3 queries.

    The arguments and errors are those of :func:`usage`.
    """
    zone = zone or timezone.get_current_timezone()
    _length(since, until)
    using = account.transactions.db
    read = partial(read_meters, account.pk, zone, using=using)
    rows = list(share_costs(sums_by_day("meters", account, since, until, zone, read)))
    services = Service.objects.using(using).in_bulk({row.service_id for row in rows})
    found = [
        MeterUse(
            services[row.service_id],
            row.meter,
            row.quantity,
            None if row.credits is None else _rounded(row.credits),
        )
        for row in rows
    ]
    return sorted(found, key=lambda each: (str(each.service), -(each.credits or 0), each.meter))


def forecast(
    account: CreditAccount,
    *,
    per_day: Decimal,
    zone: tzinfo | None = None,
    today: date | None = None,
) -> Forecast:
    """Return when the credits are used up at ``per_day`` credits a day, with 1 query.

    Credits are used in the order of the ledger, and those that end are gone. Without ``today``,
    one more query asks the ledger for it.
    """
    zone = zone or timezone.get_current_timezone()
    today = today or ledger_now(database_of(account)).astimezone(zone).date()
    return forecast_of(read_stocks(account, zone), per_day=per_day, today=today)


def forecast_of(stocks: Iterable[Stock], *, per_day: Decimal, today: date) -> Forecast:
    """Return when the stocks of an account are used up, as :func:`forecast` does."""
    parts, owed = _spendable(stocks, today)
    unused: dict[date, Decimal] = {}
    runs_out = None
    for n in range(_HORIZON.days):
        day = today + timedelta(days=n)
        wanted = per_day + (owed if n == 0 else 0)
        for part in parts:
            if part.begins <= day <= part.ends:
                used = min(part.amount, wanted)
                part.amount -= used
                wanted -= used
                if part.ends == day and part.amount:
                    unused[day] = unused.get(day, Decimal(0)) + part.amount
        if wanted:
            runs_out = day
            break
    return Forecast(today, runs_out, [UnusedCredits(amount, day) for day, amount in unused.items()])


def unit_price(account: CreditAccount) -> UnitPrice | None:
    """Return the average price of the credits that the account bought, with 1 query.

    It is ``None`` if the account bought none, or paid in several currencies.
    """
    rows = (
        account.lots.filter(cost_amount__gt=0)
        .order_by()
        .values("cost_currency")
        .annotate(paid=Sum("cost_amount"), bought=Sum("amount"))
    )
    match list(rows[:2]):
        case [row]:
            return UnitPrice(row["paid"] / row["bought"], row["cost_currency"])
    return None


def suggestions(used: Usage, coming: Forecast) -> list[Suggestion]:
    """Return advice that follows from the figures, in the language that is active."""
    found = []
    if used.credits and coming.runs_out and coming.runs_out <= coming.today + _SOON:
        text = _("At this pace, your credits are used up on %(day)s. Buy more before then.")
        found.append(Suggestion("buy", text % {"day": _written(coming.runs_out)}))
    for part in coming.unused[:1]:
        amount = part.amount.to_integral_value(ROUND_DOWN) or part.amount
        text = ngettext(
            "%(credits)s ends on %(day)s before you use it at this pace.",
            "%(credits)s end on %(day)s before you use them at this pace.",
            plural_number(amount),
        )
        values = {"credits": in_credits(amount), "day": _written(part.day)}
        found.append(Suggestion("unused", text % values))
    if used.change is not None and used.change >= _RISE and used.services:
        text = _("You used %(percent)s%% more than in the period before, most of it for %(what)s.")
        values = {
            "percent": format_number(int(used.change * 100)),
            "what": str(used.services[0].service or _("other things")),
        }
        found.append(Suggestion("rise", text % values))
    return found


ausage = sync_to_async(usage)
ausage_by_meter = sync_to_async(usage_by_meter)
aforecast = sync_to_async(forecast)
aunit_price = sync_to_async(unit_price)


class _Sum(NamedTuple):
    credits: Decimal = Decimal(0)
    uses: int = 0

    def plus(self, amount: Decimal, uses: int) -> _Sum:
        return _Sum(self.credits + amount, self.uses + uses)


@dataclass
class _Part:
    """Credits that can be spent from one day to another, both included."""

    amount: Decimal
    begins: date
    ends: date


def _total(sums: Iterable[_Sum]) -> _Sum:
    total = _Sum()
    for each in sums:
        total = total.plus(*each)
    return total


def _uses(
    account: CreditAccount, zone: tzinfo, span: Span
) -> Iterator[tuple[tuple[date, int | None], tuple[Decimal, int]]]:
    """Yield the sums by day and service: of the uses, and as negative ones of their reversals."""
    entries = account.transactions.order_by().filter(pk__gt=span.after, pk__lte=span.last)
    spends = (
        entries.filter(kind=_KIND.CONSUME, pk__gte=span.first, pk__lt=span.end)
        .values(of=F("service"), day=TruncDate("created_at", tzinfo=zone))
        .annotate(credits=-Sum("amount"), uses=Count("pk"))
    )
    until_now = CreditTransaction.objects.filter(
        reverses=OuterRef("reverses"), sequence__lte=OuterRef("sequence")
    )
    reversals = (
        # The index of the amounts finds the few entries that add credits.
        entries.filter(kind=_KIND.REVERSE, amount__gt=0)
        .filter(reverses__kind=_KIND.CONSUME)
        .filter(reverses__gte=span.first, reverses__lt=span.end)
        .annotate(
            rest=F("reverses__amount")
            + Subquery(until_now.order_by().values("reverses").values_list(Sum("amount")))
        )
        .values(of=F("reverses__service"), day=TruncDate("reverses__created_at", tzinfo=zone))
        .annotate(credits=-Sum("amount"), uses=-Count("pk", filter=Q(rest=0)))
    )
    # Django 6.1 and later order a union as the model, by columns that it does not have.
    for row in spends.union(reversals, all=True).order_by():
        yield (row["day"], row["of"]), (row["credits"], row["uses"])


def _spendable(stocks: Iterable[Stock], today: date) -> tuple[list[_Part], Decimal]:
    """Return what can be spent, in the order of spending, and what is owed."""
    parts, owed = [], Decimal(0)
    for stock in sorted(stocks, key=lambda stock: (stock.priority, stock.ends or date.max)):
        amount = stock.total - stock.total_held
        if amount > 0:
            parts.append(_Part(amount, stock.begins or today, stock.ends or date.max))
        else:
            owed -= amount
    return parts, owed


def _length(since: date, until: date) -> timedelta:
    length = until - since + _DAY
    if not _DAY <= length <= timedelta(days=MAX_DAYS):
        raise InvalidRequestError("until", f"the range has from 1 to {MAX_DAYS} days.")
    return length


def _rounded(amount: Decimal) -> Decimal:
    return amount.quantize(STEP, ROUND_HALF_UP)


def _written(day: date) -> str:
    return date_format(day, "DATE_FORMAT")
