from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.core import checks
from django.template import TemplateDoesNotExist
from django.template.loader import get_template

import quickscale.checks  # noqa: F401  registers the foundation's own
from quickscale.links import has_page
from quickscale_dashboard import registry

MESSAGES = "django.contrib.messages.middleware.MessageMiddleware"
HTMX_MESSAGES = "quickscale_dashboard.middleware.HtmxMessagesMiddleware"
CSP = {
    "csp.middleware.CSPMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "quickscale.csp.PagePolicyMiddleware",
}


def check_apps(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[checks.CheckMessage]:
    """Check that HTMX is installed.

    quickscale_dashboard.E001: ``django_htmx`` is not installed.
    """
    if apps.is_installed("django_htmx"):
        return []
    return [
        checks.Error(
            "The dashboard's pages use HTMX from django-htmx, which is not installed.",
            hint='Add "django_htmx" to INSTALLED_APPS.',
            id="quickscale_dashboard.E001",
        )
    ]


def check_middleware(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """Check the order of the middleware.

    quickscale_dashboard.E003: ``HtmxMessagesMiddleware`` is not after ``MessageMiddleware``.
    """
    middleware = list(settings.MIDDLEWARE)
    if HTMX_MESSAGES not in middleware:
        return []
    if MESSAGES in middleware[: middleware.index(HTMX_MESSAGES)]:
        return []
    return [
        checks.Error(
            "HtmxMessagesMiddleware reads messages, but MessageMiddleware is not before it.",
            hint=f"Place {HTMX_MESSAGES} after {MESSAGES} in MIDDLEWARE.",
            id="quickscale_dashboard.E003",
        )
    ]


def check_csp(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[checks.CheckMessage]:
    """Check that a Content-Security-Policy is sent.

    quickscale_dashboard.W001: No Content-Security-Policy is sent.
    """
    if CSP.intersection(settings.MIDDLEWARE):
        return []
    return [
        checks.Warning(
            "No Content-Security-Policy is sent, though every page works under a strict one.",
            hint=(
                "Add quickscale.csp.PagePolicyMiddleware to MIDDLEWARE for the pages of our apps, "
                "or a policy for the whole site by Django (6.0) or django-csp."
            ),
            id="quickscale_dashboard.W001",
        )
    ]


def check_contact_email(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """Check that somebody reads the contact form's mails.

    quickscale_dashboard.W002: ``QUICKSCALE_DASHBOARD_CONTACT_EMAIL`` is not set.
    """
    if hasattr(settings, "QUICKSCALE_DASHBOARD_CONTACT_EMAIL"):
        return []
    return [
        checks.Warning(
            f"The contact form's mails go to DEFAULT_FROM_EMAIL ({settings.DEFAULT_FROM_EMAIL}).",
            hint="Set QUICKSCALE_DASHBOARD_CONTACT_EMAIL to an address that somebody reads.",
            id="quickscale_dashboard.W002",
        )
    ]


def check_navigation(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """Check that every navigation entry has a page, and its icon if it names one.

    quickscale_dashboard.W003: A navigation entry's URL is not mounted.
    quickscale_dashboard.E004: A navigation entry's icon has no template.
    """
    messages: list[checks.CheckMessage] = []
    for item in registry.all_nav_items():
        if item.icon and not _has_template(f"quickscale/icons/{item.icon}.svg"):
            messages.append(
                checks.Error(
                    f"The navigation entry {item.label} has an unknown icon: {item.icon}.",
                    hint=f"Add a template quickscale/icons/{item.icon}.svg, or use another icon.",
                    id="quickscale_dashboard.E004",
                )
            )
        if item.optional or has_page(item.url_name):
            continue
        messages.append(
            checks.Warning(
                f"The navigation leaves out {item.label}: no URL has the name {item.url_name}.",
                hint="Mount the app's URLs in the site's URLconf, or ignore this if it is right.",
                id="quickscale_dashboard.W003",
            )
        )
    return messages


def _has_template(name: str) -> bool:
    try:
        get_template(name)
    except TemplateDoesNotExist:
        return False
    return True
