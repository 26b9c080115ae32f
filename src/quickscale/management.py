"""Code that the management commands of all apps share."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, TypeVar

from django.core.management.base import BaseCommand, CommandParser
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connections

T = TypeVar("T")


class ReportingCommand(BaseCommand):
    """A command whose result people and programs can read.

    With ``--json`` it writes one JSON document, and nothing else, to standard output. Its exit
    status is 0, or 1 if it could not do its work or a check found something wrong.
    """

    has_dry_run: ClassVar[bool] = False
    database_help: ClassVar[str] = ""
    """The help text of ``--database``; without it, the command has no such option."""

    as_json = False

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="write the result as JSON")
        if self.has_dry_run:
            parser.add_argument(
                "--dry-run", action="store_true", help="show what would happen, but write nothing"
            )
        if self.database_help:
            parser.add_argument(
                "--database",
                choices=tuple(connections),
                metavar="ALIAS",
                help=self.database_help,
            )

    def execute(self, *args: Any, **options: Any) -> str | None:
        self.as_json = bool(options.get("json"))
        return super().execute(*args, **options)

    def answer(self, data: Any, text: str) -> None:
        """Write the result: ``data`` as JSON if requested, otherwise ``text``."""
        if self.as_json:
            self.stdout.write(json.dumps(data, cls=DjangoJSONEncoder, indent=2))
        else:
            self.note(text)

    def note(self, text: str) -> None:
        """Write a line for people."""
        if text and not self.as_json:
            self.stdout.write(text)

    def progress(self, items: Sequence[T]) -> Iterator[T]:
        """Yield the items, and show a count on the terminal while they are processed."""
        for number, item in enumerate(items, start=1):
            self.report(f"{number}/{len(items)}")
            yield item
        if items:
            self.report("\n")

    def report(self, progress: str) -> None:
        """Show the progress on the terminal, replacing what was shown before."""
        if self.stderr.isatty():
            self.stderr.write(f"\r{progress}", ending="")
            self.stderr.flush()
