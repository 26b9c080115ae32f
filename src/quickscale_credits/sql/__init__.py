"""Installs the ledger's SQL from migrations; see ``README.md`` here for the rule of versions."""

from __future__ import annotations

from importlib.resources import files

from django.db import migrations

PREFIX = "quickscale_credits_"


def read(name: str) -> str:
    """The text of a file of this folder."""
    return files(__name__).joinpath(name).read_text(encoding="utf-8")


def install(name: str, version: int = 1) -> migrations.RunSQL:
    """A migration's operation that installs a function; undone, the version before is back."""
    drop = f"DROP FUNCTION IF EXISTS {PREFIX}{name};\n"
    before = read(f"{name}.{version - 1}.sql") if version > 1 else ""
    return migrations.RunSQL(drop + read(f"{name}.{version}.sql"), drop + before)
