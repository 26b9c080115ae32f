"""The dashboard's parts about payments; loaded only where the dashboard is installed."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from quickscale.alerts import Alert
from quickscale.internal.per_request import once_per_request
from quickscale.owner import owner_of_page
from quickscale_dashboard.registry import (
    AlertSource,
    NavItem,
    Panel,
    acts_for_owner,
    everyone,
    register,
)
from quickscale_stripe.alerts import alert_of
from quickscale_stripe.billing.standing import Standing, standing_of
from quickscale_stripe.client import payments_are_on
from quickscale_stripe.models import Payment

RECENT = 5
BILLING = _("Billing")


def can_buy(request: HttpRequest) -> bool:
    return payments_are_on() and acts_for_owner(request)


def has_no_activity(request: HttpRequest) -> bool:
    """Return whether the site has no list of credits, which would show the purchases, too."""
    return acts_for_owner(request) and not apps.is_installed("quickscale_credits")


def payments_context(request: HttpRequest) -> dict[str, Any]:
    return {"payments": Payment.objects.for_owner(owner_of_page(request))[:RECENT]}


def plan_context(request: HttpRequest) -> dict[str, Any]:
    standing = _standing(request)
    return {"standing": standing, "subscription": standing.plan}


def most_urgent(request: HttpRequest) -> Alert | None:
    return alert_of(_standing(request), request)


@once_per_request
def _standing(request: HttpRequest) -> Standing:
    return standing_of(owner_of_page(request))


register(
    NavItem(
        _("Pricing"),
        "quickscale_stripe_public:pricing",
        order=10,
        section="public",
        access=everyone,
        optional=True,
    )
)
register(
    NavItem(
        _("Overview"),
        "quickscale_stripe:billing",
        order=39,
        access=acts_for_owner,
        group=BILLING,
        icon="layout-grid",
    )
)
register(
    NavItem(
        _("Plan"),
        "quickscale_stripe:subscription",
        order=40,
        access=can_buy,
        group=BILLING,
        icon="calendar",
        pages=(
            "quickscale_stripe:plans",
            "quickscale_stripe:change_plan",
            "quickscale_stripe:cancel",
        ),
    )
)
register(
    NavItem(
        _("Buy credits"),
        "quickscale_stripe:buy_credits",
        order=41,
        access=can_buy,
        group=BILLING,
        icon="shopping-cart",
        pages=("quickscale_stripe:*",),
    )
)
register(
    NavItem(
        _("Payments"),
        "quickscale_stripe:payments",
        order=42,
        access=acts_for_owner,
        group=BILLING,
        icon="receipt-text",
        pages=("quickscale_stripe:payment", "quickscale_stripe:receipt"),
    )
)
register(
    NavItem(
        _("Payment method"),
        "quickscale_stripe:payment_method",
        order=43,
        access=can_buy,
        group=BILLING,
        icon="credit-card",
    )
)
register(AlertSource("stripe", most_urgent, order=10, access=acts_for_owner))
register(
    Panel(
        "stripe-plan",
        "quickscale_stripe/_plan_panel.html",
        plan_context,
        order=20,
        columns=3,
        access=can_buy,
    )
)
register(
    Panel(
        "payments",
        "quickscale_stripe/_payments_panel.html",
        payments_context,
        order=30,
        access=has_no_activity,
    )
)
