"""What the dashboard shows of credits; loaded only where the dashboard is installed."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from quickscale.owner import get_owner
from quickscale_credits.internal.balances import (
    account_of_request,
    balance_overview,
    recent_activity,
)
from quickscale_credits.models import CreditAccount, Service
from quickscale_credits.pages.report import Range, Report
from quickscale_credits.services import registered_services
from quickscale_dashboard.registry import NavItem, Panel, everyone, register

PUBLIC_SERVICES = 5
SUMMED_DAYS = 30

_reports: WeakKeyDictionary[HttpRequest, Report] = WeakKeyDictionary()


def acts_for_owner(request: HttpRequest) -> bool:
    return request.user.is_authenticated and get_owner(request) is not None


def balance_context(request: HttpRequest) -> dict[str, Any]:
    return {"overview": balance_overview(_account(request))}


def activity_context(request: HttpRequest) -> dict[str, Any]:
    return {"recent": recent_activity(_account(request))}


def services_context(request: HttpRequest) -> dict[str, Any]:
    services = Service.objects.active().with_prices().filter(slug__in=registered_services())
    return {"services": services[:PUBLIC_SERVICES]}


def usage_context(request: HttpRequest) -> dict[str, Any]:
    return {"report": _report(request)}


def _account(request: HttpRequest) -> CreditAccount:
    return account_of_request(request, get_owner(request))


def _report(request: HttpRequest) -> Report:
    if request not in _reports:
        last_days = Range.of_last(SUMMED_DAYS, timezone.localdate())
        _reports[request] = Report(_account(request), last_days)
    return _reports[request]


def available_context(request: HttpRequest) -> dict[str, Any]:
    return {"available": _account(request).get_available_balance()}


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
register(
    Panel(
        "credits-services",
        "quickscale_credits/_public_services.html",
        services_context,
        page="public",
        access=everyone,
    )
)
