"""The owner model is fixed by the first migrate: what a later setting would mix up is refused.

Django says nothing when ``QUICKSCALE_OWNER_MODEL`` changes after that. The database's key still
refers to the old model, and the team number 7 would be given what the user number 7 owns.
"""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from quickscale.owner import get_owner_model, owner_model_name

TABLE_OF_OWNER = """
    SELECT DISTINCT owner.relname
      FROM pg_constraint
      JOIN pg_attribute ON attrelid = conrelid AND conkey = ARRAY[attnum]
      JOIN pg_class owner ON owner.oid = confrelid
     WHERE conrelid = to_regclass(%s) AND contype = 'f' AND attname = 'owner_id'
"""

_seen: dict[tuple[str, str], str] = {}


def watch(model: type[models.Model]) -> None:
    """Look at the key of ``model`` when the process first connects to a database that has it."""

    def look(connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
        key = model._meta.label, connection.alias
        if key in _seen or connection.vendor != "postgresql":
            return
        if table := table_of_owner(model, connection):
            _seen[key] = table

    connection_created.connect(look, weak=False, dispatch_uid=f"owner of {model._meta.label}")


def table_of_owner(model: type[models.Model], connection: BaseDatabaseWrapper) -> str:
    """The table that the database's key to the owner refers to; empty where there is no key."""
    with connection.cursor() as cursor:
        cursor.execute(TABLE_OF_OWNER, [connection.ops.quote_name(model._meta.db_table)])
        row = cursor.fetchone()
    return row[0] if row else ""


def mismatch(model: type[models.Model], table: str) -> str:
    """Say that the key refers to another table than the setting's; empty when it does not."""
    expected = get_owner_model()._meta.db_table
    if table in {"", expected}:
        return ""
    return (
        f"{model._meta.db_table}.owner_id refers to the table {table}, and "
        f"QUICKSCALE_OWNER_MODEL is {owner_model_name()} (table {expected})."
    )


def require_owner_key(model: type[models.Model], using: str) -> None:
    """Refuse to look for an owner's rows by a key that was made for another owner model.

    Raises:
        ImproperlyConfigured: the database was migrated for another ``QUICKSCALE_OWNER_MODEL``.
    """
    table = _seen.get((model._meta.label, using), "")
    if table and (problem := mismatch(model, table)):
        raise ImproperlyConfigured(problem)
