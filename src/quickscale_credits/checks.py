"""System checks of the credit ledger."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as CheckWarning

from quickscale import checks
from quickscale_credits.conf import PRIORITIES, SHORTFALL_POLICIES, app_settings
from quickscale_credits.models import CreditAccount


@register(Tags.database)
def check_engine(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    return checks.check_postgresql("quickscale_credits", "quickscale_credits.E001")


@register
def check_owner_model(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    return checks.check_owner_model("quickscale_credits.E002")


@register(Tags.database)
def check_owner_key(
    app_configs: Sequence[AppConfig] | None,
    databases: Sequence[str] | None = None,
    **kwargs: Any,
) -> list[CheckMessage]:
    return checks.check_owner(CreditAccount, databases, "quickscale_credits.E003")


@register
def check_settings(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Errors for settings with values that no write could use."""
    found: list[CheckMessage] = []
    unknown = sorted(set(app_settings.priorities) - set(PRIORITIES))
    if unknown:
        found.append(
            Error(
                f"QUICKSCALE_CREDITS_PRIORITIES has unknown types: {', '.join(unknown)}.",
                hint=f"The types are {', '.join(PRIORITIES)}.",
                id="quickscale_credits.E004",
            )
        )
    if app_settings.shortfall_policy not in SHORTFALL_POLICIES:
        found.append(
            Error(
                f"QUICKSCALE_CREDITS_SHORTFALL_POLICY is {app_settings.shortfall_policy!r}.",
                hint=f"Use one of {', '.join(SHORTFALL_POLICIES)}.",
                id="quickscale_credits.E005",
            )
        )
    for name in ("starting_balance", "low_balance"):
        try:
            value = getattr(app_settings, name)
            valid = value is None or Decimal(value) >= 0
        except (InvalidOperation, TypeError, ValueError):
            valid = False
        if not valid:
            found.append(
                Error(
                    f"QUICKSCALE_CREDITS_{name.upper()} is not a number of credits.",
                    hint="Use a Decimal or an int that is not negative.",
                    id="quickscale_credits.E006",
                )
            )
    return found


@register
def check_atomic_requests(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """A warning where requests are transactions: metered work would keep its account locked."""
    if not any(database.get("ATOMIC_REQUESTS") for database in settings.DATABASES.values()):
        return []
    return [
        CheckWarning(
            "ATOMIC_REQUESTS keeps an account locked while a view works inside charge().",
            hint="Decorate views that call charge() with non_atomic_requests, and silence this. "
            "@metered views and the pages of credits are decorated already.",
            id="quickscale_credits.W007",
        )
    ]
