"""Freeze functions of the ledger for a migration; see src/quickscale_credits/sql/README.md.

    python scripts/sql_migration.py [--into NUMBER] [NAME...]

Without names it takes every function whose text is not that of its newest frozen copy.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from quickscale_credits import sql

MIGRATION = """from django.db import migrations

from quickscale_credits.sql import install


class Migration(migrations.Migration):
    dependencies = [("quickscale_credits", "{before}")]

    operations = install("{number}")
"""


def changed() -> list[str]:
    """Return the names of the functions that differ from their newest copy."""
    return [
        current.stem
        for current in sorted(sql.CURRENT.glob("*.sql"))
        if [copy.read_text() for copy in sql.copies(current.stem)[-1:]] != [current.read_text()]
    ]


def freeze(names: list[str], number: str | None = None) -> list[Path]:
    """Copy functions for a new migration, or into an existing one; return the written files."""
    before = max(sql.FROZEN.parent.glob("[0-9]*.py")).stem
    written = []
    if number is None:
        number = f"{int(before[:4]) + 1:04}"
        title = names[0] if len(names) == 1 else "functions"
        written.append(sql.FROZEN.parent / f"{number}_{title}.py")
        written[0].write_text(MIGRATION.format(before=before, number=number))
    folder = sql.FROZEN / number
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        written.append(folder / f"{name}.sql")
        written[-1].write_text((sql.CURRENT / f"{name}.sql").read_text())
    return written


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition(";")[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--into", metavar="NUMBER", help="a migration that no release has")
    options = parser.parse_args()
    names = options.names or changed()
    for path in freeze(names, options.into) if names else []:
        print(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


if __name__ == "__main__":
    main()
