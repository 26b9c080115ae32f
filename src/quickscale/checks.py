"""System checks that more than one app registers, each under its own id."""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured
from django.db import connections, models

from quickscale.owner import get_owner_model, owner_model_name


def check_postgresql(app_label: str, check_id: str) -> list[CheckMessage]:
    """An error when the default database is of another engine than PostgreSQL."""
    if connections["default"].vendor == "postgresql":
        return []
    return [
        Error(
            f"{app_label} needs PostgreSQL, and the default database is "
            f"{connections['default'].vendor}.",
            hint="Set DATABASES to a PostgreSQL server, or install quickscale[embedded].",
            id=check_id,
        )
    ]


def check_owner_model(check_id: str) -> list[CheckMessage]:
    """An error when ``QUICKSCALE_OWNER_MODEL`` names no installed model."""
    try:
        get_owner_model()
    except ImproperlyConfigured as error:
        return [Error(str(error), hint='Use the form "app_label.Model".', id=check_id)]
    return []


def check_owner(
    model: type[models.Model], databases: Sequence[str] | None, check_id: str
) -> list[CheckMessage]:
    """An error when the database's key to the owner was made for another owner model.

    Django itself says nothing when ``QUICKSCALE_OWNER_MODEL`` changes after the first migrate.
    """
    messages: list[CheckMessage] = []
    if check_owner_model(check_id):
        return messages  # the app's own check of the setting says so
    expected = get_owner_model()._meta.db_table
    for alias in databases or ():
        connection = connections[alias]
        table = model._meta.db_table
        with connection.cursor() as cursor:
            if table not in connection.introspection.table_names(cursor):
                continue
            constraints = connection.introspection.get_constraints(cursor, table)
        actual = {
            constraint["foreign_key"][0]
            for constraint in constraints.values()
            if constraint["foreign_key"] and constraint["columns"] == ["owner_id"]
        }
        if actual and expected not in actual:
            messages.append(
                Error(
                    f"{table}.owner_id refers to the table {', '.join(sorted(actual))}, and "
                    f"QUICKSCALE_OWNER_MODEL is {owner_model_name()} (table {expected}).",
                    hint=(
                        "The owner model is fixed by the first migrate. Set it back to the model "
                        f"of that table; AUTH_USER_MODEL is {settings.AUTH_USER_MODEL}."
                    ),
                    id=check_id,
                )
            )
    return messages
