"""Installs the ledger's SQL from migrations; see ``README.md`` here for the rule of versions."""

from __future__ import annotations

from importlib.resources import files

from django.db import connections, migrations

PREFIX = "quickscale_credits_"
_RECOMPILE = """
DO $$
DECLARE
    function regprocedure;
BEGIN
    FOR function IN
        SELECT oid FROM pg_proc
         WHERE proname LIKE 'quickscale\\_credits\\_%' AND pg_function_is_visible(oid)
           AND prolang = (SELECT oid FROM pg_language WHERE lanname = 'plpgsql')
    LOOP
        EXECUTE format('ALTER FUNCTION %s COST 100', function);
    END LOOP;
END
$$
"""


def read(name: str) -> str:
    """The text of a file of this folder."""
    return files(__name__).joinpath(name).read_text(encoding="utf-8")


def install(name: str, version: int = 1) -> migrations.RunSQL:
    """A migration's operation that installs a function; undone, the version before is back."""
    drop = f"DROP FUNCTION IF EXISTS {PREFIX}{name};\n"
    before = read(f"{name}.{version - 1}.sql") if version > 1 else ""
    return migrations.RunSQL(drop + read(f"{name}.{version}.sql"), drop + before)


def recompile(using: str) -> None:
    """Let all sessions compile the ledger's functions anew.

    A migration of the site's may have changed the type of its users' keys, and a session that goes
    on would still expect the type before. Any change of a function does it, such as to its default
    cost.
    """
    with connections[using].cursor() as cursor:
        cursor.execute(_RECOMPILE)
