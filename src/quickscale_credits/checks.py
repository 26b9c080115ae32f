"""System checks of the credit ledger."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as CheckWarning
from django.db import connections

from quickscale import checks
from quickscale_credits.conf import PRIORITIES, SHORTFALL_POLICIES, app_settings
from quickscale_credits.internal.databases import database_of
from quickscale_credits.models import CreditAccount, Service
from quickscale_credits.services import metered_codes, registered_services


@register
def check_engine(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check the database that credits are written to.

    quickscale_credits.E001: The database that credits are written to is not PostgreSQL.
    """
    return checks.check_postgresql(
        "quickscale_credits", "quickscale_credits.E001", alias=database_of()
    )


@register
def check_owner_model(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check that the owner model exists.

    quickscale_credits.E002: ``QUICKSCALE_OWNER_MODEL`` does not name an installed model.
    """
    return checks.check_owner_model("quickscale_credits.E002")


@register(Tags.database)
def check_owner_key(
    app_configs: Sequence[AppConfig] | None,
    databases: Sequence[str] | None = None,
    **kwargs: Any,
) -> list[CheckMessage]:
    """Check that the tables were made for the owner model.

    quickscale_credits.E003: The database was migrated for another owner model.
    """
    return checks.check_owner(CreditAccount, databases, "quickscale_credits.E003")


@register(Tags.database)
def check_services(
    app_configs: Sequence[AppConfig] | None,
    databases: Sequence[str] | None = None,
    **kwargs: Any,
) -> list[CheckMessage]:
    """Check that each service that code names has a row; its use would fail without one.

    quickscale_credits.W008: A registered service, or a code of ``@metered``, has no row in the
        database.
    """
    alias = database_of()
    if alias not in (databases or ()):
        return []
    connection = connections[alias]
    with connection.cursor() as cursor:
        if Service._meta.db_table not in connection.introspection.table_names(cursor):
            return []
    rows = set(Service.objects.using(alias).values_list("slug", flat=True))
    registered = registered_services()
    return [
        CheckWarning(
            f"The service {code!r} has no row in the database.",
            hint="Run migrate."
            if code in registered
            else "Register a class for it (register_service), or run configure_service.",
            id="quickscale_credits.W008",
        )
        for code in sorted({*registered, *metered_codes} - rows)
    ]


@register
def check_settings(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check the settings whose values a write would use.

    quickscale_credits.E004: ``QUICKSCALE_CREDITS_PRIORITIES`` has an unknown type.
    quickscale_credits.E005: ``QUICKSCALE_CREDITS_SHORTFALL_POLICY`` is unknown.
    quickscale_credits.E006: A starting or low balance is not a number of credits.
    """
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
