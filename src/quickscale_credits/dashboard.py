"""What the dashboard shows of credits; loaded only where the dashboard is installed."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from quickscale.owner import get_owner
from quickscale_credits.internal.balances import balance_overview, current_account, recent_activity
from quickscale_credits.models import CreditAccount, Service
from quickscale_credits.pages.report import Range, Report
from quickscale_credits.services import registered_services
from quickscale_dashboard.registry import NavItem, Panel, everyone, register

T = TypeVar("T")

PUBLIC_SERVICES = 5
SUMMED_DAYS = 30


def once_per_request(read: Callable[[HttpRequest], T]) -> Callable[[HttpRequest], T]:
    """Let the panels of a page share what one of them has read."""
    found: WeakKeyDictionary[HttpRequest, T] = WeakKeyDictionary()

    @wraps(read)
    def shared(request: HttpRequest) -> T:
        if request not in found:
            found[request] = read(request)
        return found[request]

    return shared


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


@once_per_request
def _account(request: HttpRequest) -> CreditAccount:
    return current_account(get_owner(request))


@once_per_request
def _report(request: HttpRequest) -> Report:
    return Report(_account(request), Range.of_last(SUMMED_DAYS, timezone.localdate()))


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
