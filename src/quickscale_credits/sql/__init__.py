"""The ledger's SQL functions; ``README.md`` here says how to change one."""

from __future__ import annotations

from pathlib import Path

from django.db import connections, migrations

PREFIX = "quickscale_credits_"
CURRENT = Path(__file__).parent
FROZEN = CURRENT.parent / "migrations" / "sql"
# A function may be installed before another function that it calls.
_IN_ANY_ORDER = "SET LOCAL check_function_bodies = off;\n"
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


def copies(name: str) -> list[Path]:
    """Return the frozen copies of a function, oldest first."""
    return sorted(FROZEN.glob(f"*/{name}.sql"))


def install(number: str) -> list[migrations.RunSQL]:
    """Return operations that install the functions frozen for a migration.

    Reversing them restores each function to its state in an earlier migration, or drops it.
    """
    return [
        migrations.RunSQL(_IN_ANY_ORDER + copy.read_text(encoding="utf-8"), _undo(copy))
        for copy in sorted((FROZEN / number).glob("*.sql"))
    ]


def _undo(copy: Path) -> str:
    former = [other for other in copies(copy.stem) if other < copy]
    if not former:
        return f"DROP FUNCTION {PREFIX}{copy.stem};"
    return _IN_ANY_ORDER + former[-1].read_text(encoding="utf-8")


def run(name: str) -> migrations.RunSQL:
    """Return an operation that runs one of a migration's files, and another file to reverse it."""
    forward, back = FROZEN / f"{name}.sql", FROZEN / f"{name}.reverse.sql"
    return migrations.RunSQL(forward.read_text(encoding="utf-8"), back.read_text(encoding="utf-8"))


def recompile(using: str) -> None:
    """Make all sessions compile the ledger's functions again.

    A migration of the site may have changed the type of its users' keys, and open sessions would
    still expect the old type. Any change to a function has this effect, even setting its default
    cost.
    """
    with connections[using].cursor() as cursor:
        cursor.execute(_RECOMPILE)
