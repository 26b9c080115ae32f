"""Refuse to work if the owner model is not the one of the first ``migrate``.

Django does not report it if ``QUICKSCALE_OWNER_MODEL`` changes after that. The database's key still
refers to the old model, so team number 7 would get what user number 7 owns.
"""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import connections, models, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.db.models.signals import post_migrate

from quickscale.owner import get_owner_model, owner_model_name

# The table that the key refers to, and whether it is the owner's. A partition has its parent's key.
KEY_TO_OWNER = """
    SELECT confrelid::regclass::text, confrelid IS NOT DISTINCT FROM to_regclass(%s)
      FROM pg_constraint JOIN pg_attribute ON attrelid = conrelid AND conkey = ARRAY[attnum]
     WHERE conrelid = to_regclass(%s)
       AND contype = 'f' AND conparentid = 0 AND attname = 'owner_id'
"""

_problems: dict[tuple[str, str], str] = {}


def watch(model: type[models.Model]) -> None:
    """Check the key of ``model`` when the process first connects to a database that has it."""

    def connected(connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
        if (model._meta.label, connection.alias) not in _problems:
            _look(model, connection)

    def migrated(using: str, **kwargs: Any) -> None:
        _look(model, connections[using])

    name = f"owner of {model._meta.label}"
    connection_created.connect(connected, weak=False, dispatch_uid=name)
    post_migrate.connect(migrated, weak=False, dispatch_uid=name)


def owner_key_problem(model: type[models.Model], connection: BaseDatabaseWrapper) -> str | None:
    """Return a message if the key refers to another table than the setting's, otherwise "".

    The result is ``None`` if there is no such key.
    """
    if connection.vendor != "postgresql":
        return None
    table, expected = model._meta.db_table, get_owner_model()._meta.db_table
    quote = connection.ops.quote_name
    with connection.cursor() as cursor:
        cursor.execute(KEY_TO_OWNER, [quote(expected), quote(table)])
        row = cursor.fetchone()
    if row is None:
        return None
    actual, is_right = row
    if is_right:
        return ""
    return (
        f"{table}.owner_id refers to the table {actual}, but "
        f"QUICKSCALE_OWNER_MODEL is {owner_model_name()} (table {expected})."
    )


def require_owner_key(model: type[models.Model], using: str) -> None:
    """Refuse to find an owner's rows by a key that was created for another owner model.

    Raises:
        ImproperlyConfigured: the database was migrated for another ``QUICKSCALE_OWNER_MODEL``.
    """
    key = model._meta.label, using
    if key not in _problems:
        connections[using].ensure_connection()
    # The table may have been renamed since, so look for the problem again.
    if _problems.get(key, "unknown") and (problem := _look(model, connections[using])):
        raise ImproperlyConfigured(problem)


def _look(model: type[models.Model], connection: BaseDatabaseWrapper) -> str | None:
    if not router.allow_migrate_model(connection.alias, model):
        return None
    problem = owner_key_problem(model, connection)
    if problem is not None:
        _problems[model._meta.label, connection.alias] = problem
    return problem
