"""What the dashboard shows of credits; loaded only where the dashboard is installed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from operator import attrgetter
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from quickscale.alerts import Alert
from quickscale.formats import format_credits, format_day
from quickscale.internal.per_request import once_per_request
from quickscale.links import find_page_url
from quickscale_credits.internal.balances import (
    RECENT,
    BalanceOverview,
    Stock,
    account_of_request,
    overview_of,
    read_stocks,
    recent_activity,
)
from quickscale_credits.models import CreditTransaction, Service
from quickscale_credits.pages.report import Range, Report
from quickscale_credits.services import registered_services, services_with_page
from quickscale_dashboard.registry import (
    AlertSource,
    NavItem,
    Panel,
    acts_for_owner,
    everyone,
    register,
)

SERVICES = 5
SOON = timedelta(days=14)
SUMMED_DAYS = 30


def balance_context(request: HttpRequest) -> dict[str, Any]:
    return {"overview": _overview(request)}


def activity_context(request: HttpRequest) -> dict[str, Any]:
    return {"recent": _recent(request)}


def ending_soon(request: HttpRequest) -> Alert | None:
    """Return an alert about credits that end within two weeks, or that are used up."""
    url = find_page_url(request, "quickscale_credits:balance")
    overview = _overview(request)
    if overview.available <= 0 and _recent(request):
        text = gettext("Services that cost credits can be used again when you have some.")
        title = gettext("You have no credits left.")
        return Alert("warning", title, text, gettext("Your credits"), url)
    days = [day for type_ in overview.by_type for day in type_.ends.days if day.at]
    first = min(days, key=attrgetter("at"), default=None)
    if first is None or first.at is None or first.at > timezone.now() + SOON:
        return None
    title = ngettext(
        "{amount} credit ends on {date}.", "{amount} credits end on {date}.", first.number
    ).format(amount=format_credits(first.amount), date=format_day(first.at))
    text = gettext("They are used first, so any use until then takes from them.")
    return Alert("warning", title, text, gettext("See when credits end"), url)


def new_customer(request: HttpRequest) -> bool:
    """Return whether the customer has not used credits yet."""
    if not acts_for_owner(request):
        return False
    recent = _recent(request)
    return len(recent) < RECENT and all(entry.amount > 0 for entry in recent)


def first_steps_context(request: HttpRequest) -> dict[str, Any]:
    has_credits = bool(_recent(request))
    return {"has_credits": has_credits, "done": 2 if has_credits else 1}


def usable_services_context(request: HttpRequest) -> dict[str, Any]:
    return {"services": _first_services(services_with_page())}


def services_context(request: HttpRequest) -> dict[str, Any]:
    return {"services": _first_services(registered_services())}


def usage_context(request: HttpRequest) -> dict[str, Any]:
    return {"report": _report(request)}


def _first_services(codes: Iterable[str]) -> QuerySet[Service]:
    return Service.objects.active().with_prices().filter(slug__in=codes)[:SERVICES]


@once_per_request
def _recent(request: HttpRequest) -> list[CreditTransaction]:
    return recent_activity(account_of_request(request))


@once_per_request
def _overview(request: HttpRequest) -> BalanceOverview:
    return overview_of(_stocks(request))


@once_per_request
def _stocks(request: HttpRequest) -> list[Stock]:
    return read_stocks(account_of_request(request))


@once_per_request
def _report(request: HttpRequest) -> Report:
    days = Range.of_last(SUMMED_DAYS, timezone.localdate())
    return Report(account_of_request(request), days, stocks=_stocks(request))


def available_context(request: HttpRequest) -> dict[str, Any]:
    match = request.resolver_match
    if match and match.app_name == "quickscale_dashboard":  # It shows the whole overview anyway.
        return {"available": _overview(request).available}
    return {"available": account_of_request(request).get_available_balance()}


register(
    NavItem(
        _("Services"),
        "quickscale_credits_services:list",
        order=20,
        access=acts_for_owner,
        icon="layout-grid",
        pages=("quickscale_credits_services:*",),
    )
)
register(
    NavItem(
        _("Credits"),
        "quickscale_credits:balance",
        order=30,
        access=acts_for_owner,
        icon="coins",
        pages=("quickscale_credits:*",),
    )
)
register(
    Panel(
        "credits-available",
        "quickscale_credits/_available.html",
        available_context,
        page="bar",
        access=acts_for_owner,
    )
)
register(
    NavItem(
        _("Usage"),
        "quickscale_credits:usage",
        order=35,
        access=acts_for_owner,
        icon="chart-column",
        pages=("quickscale_credits:usage_export",),
    )
)
register(
    NavItem(
        _("Activity"),
        "quickscale_credits:history",
        order=37,
        access=acts_for_owner,
        icon="history",
        pages=("quickscale_credits:transaction", "quickscale_credits:history_export"),
    )
)
register(
    Panel(
        "credits-balance",
        "quickscale_credits/_balance_panel.html",
        balance_context,
        order=10,
        access=acts_for_owner,
    )
)
register(
    Panel(
        "credits-summary",
        "quickscale_credits/_usage_summary_panel.html",
        usage_context,
        order=30,
        columns=3,
        access=acts_for_owner,
    )
)
register(
    Panel(
        "credits-usage",
        "quickscale_credits/_usage_chart_panel.html",
        usage_context,
        order=40,
        columns=8,
        access=acts_for_owner,
    )
)
register(
    Panel(
        "credits-activity",
        "quickscale_credits/_activity_panel.html",
        activity_context,
        order=60,
        access=acts_for_owner,
    )
)
register(AlertSource("credits-ending", ending_soon, order=50, access=acts_for_owner))
register(
    Panel(
        "credits-first-steps",
        "quickscale_credits/_first_steps_panel.html",
        first_steps_context,
        order=5,
        columns=12,
        access=new_customer,
    )
)
register(
    Panel(
        "credits-usable",
        "quickscale_credits/_services_panel.html",
        usable_services_context,
        order=45,
        columns=4,
        access=acts_for_owner,
    )
)
register(
    Panel(
        "credits-services",
        "quickscale_credits/_public_services.html",
        services_context,
        page="public",
        access=everyone,
    )
)
