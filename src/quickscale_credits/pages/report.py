"""What people read about what they used: the sums of :mod:`quickscale_credits.usage` in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from quickscale.charts import MAX_SERIES, Bars, Series, bars
from quickscale.errors import MissingExtraError
from quickscale.formats import format_money, format_number, in_credits
from quickscale_credits import usage
from quickscale_credits.internal import running
from quickscale_credits.internal.balances import Stock, read_stocks
from quickscale_credits.models import METER, CreditAccount, CreditTransaction, Service

PRESETS = (7, 30, 90)
MOST_BARS = 92
"""The number of days from which on a chart has a bar for each week."""

_CENT_PLACES = Decimal("0.01")


@dataclass(frozen=True)
class Range:
    """Days up to and including ``until``; ``preset`` is their number if they are the last days."""

    since: date
    until: date
    preset: int | None = None

    @classmethod
    def of_last(cls, days: int, today: date) -> Range:
        return cls(today - timedelta(days=days - 1), today, days)

    @property
    def days(self) -> int:
        return (self.until - self.since).days + 1


@dataclass(frozen=True)
class Preset:
    """A range to choose, by its query string."""

    days: int
    query: str
    is_current: bool


@dataclass(frozen=True)
class Share:
    """A row of a table: its part of the credits that were used, as text."""

    name: str
    uses: int
    credits: Decimal
    share: str
    change: str
    query: str


@dataclass(frozen=True)
class MeterShare:
    service: Service
    meter: str
    quantity: Decimal
    credits: Decimal | None
    share: str


class Report:
    """The use of an account in a range, of all services or of one."""

    def __init__(
        self,
        account: CreditAccount,
        days: Range,
        service: Service | None = None,
        *,
        stocks: list[Stock] | None = None,
    ) -> None:
        self.account = account
        self.range = days
        self.service = service
        self._stocks = stocks

    def query(self, days: int | None = None, service: Service | None = None) -> str:
        """Return the query string of the last days or of this range, and of a service."""
        days = days or self.range.preset
        values: dict[str, Any] = (
            {"days": days} if days else {"since": self.range.since, "until": self.range.until}
        )
        return urlencode(values | ({"service": service.slug} if service else {}))

    @property
    def own_query(self) -> str:
        return self.query(service=self.service)

    @property
    def presets(self) -> list[Preset]:
        return [
            Preset(days, self.query(days, self.service), days == self.range.preset)
            for days in PRESETS
        ]

    @cached_property
    def all(self) -> usage.Usage:
        """The use of all services."""
        return usage.usage(self.account, since=self.range.since, until=self.range.until)

    @cached_property
    def services(self) -> list[usage.ServiceUse]:
        if self.service is None:
            return self.all.services
        return [each for each in self.all.services if each.service == self.service]

    @property
    def credits(self) -> Decimal:
        return sum((each.credits for each in self.services), Decimal(0))

    @property
    def uses(self) -> int:
        return sum(each.uses for each in self.services)

    @property
    def credits_change(self) -> str:
        before = sum((each.before for each in self.services), Decimal(0))
        return change_in_words(self.credits, before, self.range.days)

    @property
    def uses_change(self) -> str:
        before = sum(each.uses_before for each in self.services)
        return change_in_words(self.uses, before, self.range.days)

    @cached_property
    def _price(self) -> usage.UnitPrice | None:
        return usage.unit_price(self.account)

    @property
    def cost(self) -> str:
        """What the credits cost on average, or nothing if that is not known."""
        price = self._price
        return _money(price.cost_of(self.credits), price.currency) if price else ""

    @property
    def average(self) -> str:
        """The average price of a credit."""
        price = self._price
        return _money(price.price.quantize(_CENT_PLACES), price.currency) if price else ""

    @cached_property
    def coming(self) -> usage.Forecast:
        stocks = read_stocks(self.account) if self._stocks is None else self._stocks
        return usage.forecast_of(stocks, per_day=self.all.per_day, today=timezone.localdate())

    @property
    def lasts_until(self) -> str:
        """The day on which the credits are used up at this pace, in words."""
        if self.coming.runs_out is None:
            return _("More than a year")
        if self.coming.runs_out == self.coming.today:
            return _("Today")
        return date_format(self.coming.runs_out, "DATE_FORMAT")

    @property
    def outlook(self) -> str:
        """What becomes of the credits at this pace, as a sentence."""
        if self.coming.runs_out is None:
            return _("At this pace, your credits last for more than a year.")
        if self.coming.runs_out == self.coming.today:
            return _("At this pace, your credits are used up today.")
        text = _("At this pace, your credits last until %(day)s.")
        return text % {"day": date_format(self.coming.runs_out, "DATE_FORMAT")}

    @property
    def pace(self) -> str:
        """The use of a day on average, in words, rounded to what people read."""
        per_day = self.all.per_day
        rounded = per_day.quantize(Decimal(1) if per_day >= 10 else Decimal("0.1"))
        return _("at %(credits)s a day") % {"credits": in_credits(rounded or per_day)}

    @property
    def suggestions(self) -> list[usage.Suggestion]:
        return usage.suggestions(self.all, self.coming)

    @property
    def chart(self) -> Bars:
        """The credits used each day, or each week of a long range, by the most used services."""
        step = 1 if self.range.days <= MOST_BARS else 7
        series = [Series(name, _steps(values, step)) for name, values in self._drawn()]
        days = [day.day for day in self.all.days][::step]
        return bars(
            "usage",
            _("Credits used each day") if step == 1 else _("Credits used each week"),
            [short_day(day) for day in days],
            series,
            label=_("Day") if step == 1 else _("Week from"),
            text=in_credits,
        )

    @property
    def rows(self) -> list[Share]:
        return [
            Share(
                name=service_name(each),
                uses=each.uses,
                credits=each.credits,
                share=percent(each.credits, self.credits),
                change=change_in_words(each.credits, each.before, self.range.days),
                query=self.query(service=each.service) if each.service else "",
            )
            for each in self.services
        ]

    @cached_property
    def meters(self) -> list[MeterShare]:
        found = usage.usage_by_meter(self.account, since=self.range.since, until=self.range.until)
        if self.service:
            found = [each for each in found if each.service == self.service]
        return [
            MeterShare(
                service=each.service,
                meter=(each.service.unit or _("uses")) if each.meter == METER else each.meter,
                quantity=each.quantity,
                credits=each.credits,
                share="" if each.credits is None else percent(each.credits, self.credits),
            )
            for each in found
        ]

    @cached_property
    def last_use(self) -> date | None:
        """The day of the last use of any service, whenever it was."""
        uses = self.account.transactions.filter(kind=CreditTransaction.Kind.CONSUME)
        moment = uses.order_by("-sequence").values_list("created_at", flat=True).first()
        return timezone.localdate(moment) if moment else None

    @property
    def is_long(self) -> bool:
        return running.is_long(self.account)

    def _drawn(self) -> list[tuple[str, list[Decimal]]]:
        """Return the names and numbers of the chart: of the most used services, then the others."""
        used = [(service_name(each), each.by_day) for each in self.services if each.credits]
        if len(used) > MAX_SERIES:
            others = [values for _name, values in used[MAX_SERIES - 1 :]]
            total = [sum(values, Decimal(0)) for values in zip(*others, strict=True)]
            used[MAX_SERIES - 1 :] = [(_("All others"), total)]
        return used or [(_("Credits"), [Decimal(0)] * self.range.days)]


def change_in_words(now: Decimal | int, before: Decimal | int, days: int) -> str:
    """Compare with the period before: "12% fewer than in the 30 days before"."""
    values = {"days": format_number(days)}
    if not before:
        text = ngettext(
            "Nothing was used on the day before.",
            "Nothing was used in the %(days)s days before.",
            days,
        )
        return text % values
    change = round((now - before) * 100 / before)
    values["percent"] = format_number(abs(change))
    if change > 0:
        text = ngettext(
            "%(percent)s%% more than on the day before",
            "%(percent)s%% more than in the %(days)s days before",
            days,
        )
    elif change < 0:
        text = ngettext(
            "%(percent)s%% fewer than on the day before",
            "%(percent)s%% fewer than in the %(days)s days before",
            days,
        )
    else:
        text = ngettext(
            "About as many as on the day before",
            "About as many as in the %(days)s days before",
            days,
        )
    return text % values


def percent(part: Decimal, whole: Decimal) -> str:
    """Return a part of a whole, such as "12%"; a small part is not shown as none."""
    share = part * 100 / whole if part and whole else Decimal(0)
    if 0 < share < 1:
        return _("less than 1%")
    return _("%(number)s%%") % {"number": format_number(round(share))}


def service_name(used: usage.ServiceUse) -> str:
    return str(used.service) if used.service else _("Other uses")


def short_day(day: date) -> str:
    """Return a day without its year, as short as below a bar of a chart."""
    return date_format(day, pgettext("format of a day below a chart", "M j"))


def _steps(values: Sequence[Decimal], step: int) -> list[Decimal]:
    return [sum(values[n : n + step], Decimal(0)) for n in range(0, len(values), step)]


def _money(amount: int | Decimal, currency: str) -> str:
    """Format money; without Babel, which only selling credits needs, return nothing."""
    try:
        return format_money(amount, currency)
    except MissingExtraError:
        return ""
