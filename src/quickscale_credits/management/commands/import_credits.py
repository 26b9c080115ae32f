from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from quickscale_credits.exceptions import CreditsError
from quickscale_credits.internal.imports import BadFileError, import_credits
from quickscale_credits.management.base import CreditsCommand


class Command(CreditsCommand):
    help = (
        "Add the credits of a CSV file with the columns owner, amount and description, and "
        "optionally type, expires and key. If a line is wrong, nothing is added."
    )
    has_dry_run = True

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("file", type=Path, metavar="FILE", help="UTF-8")

    def handle(self, *, file: Path, dry_run: bool, database: str | None, **options: Any) -> None:
        try:
            result = import_credits(
                file.read_text(encoding="utf-8"), dry_run=dry_run, using=database
            )
        except (BadFileError, CreditsError, OSError, UnicodeDecodeError) as error:
            raise CommandError(str(error)) from error
        verb = "Would add" if dry_run else "Added"
        self.answer(
            {
                "rows": result.rows,
                "credits": result.credits,
                "accounts": len(result.accounts),
                "problems": [{"line": line, "problem": text} for line, text in result.problems],
                "dry_run": dry_run,
            },
            ""
            if result.problems
            else f"{verb} {result.credits} credits to {len(result.accounts)} accounts.",
        )
        if result.problems:
            lines = "\n".join(f"line {line}: {text}" for line, text in result.problems)
            raise CommandError(f"Nothing was added:\n{lines}")
