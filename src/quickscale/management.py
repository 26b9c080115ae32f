"""What the management commands of all apps share."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, TypeVar

from django.core.management.base import BaseCommand, CommandParser
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connections

T = TypeVar("T")


class ReportingCommand(BaseCommand):
    """A command whose outcome people and programs can read.

    With ``--json`` it writes one JSON document to standard output, and nothing else there. It ends
    with status 0, or with 1 when it could not do its work or when what it checks is wrong.
    """

    has_dry_run: ClassVar[bool] = False
    database_help: ClassVar[str] = ""
    """What ``--database`` chooses; without this text, the command has no such option."""

    as_json = False

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="answer in JSON")
        if self.has_dry_run:
            parser.add_argument(
                "--dry-run", action="store_true", help="show what would happen, write nothing"
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
        """Write the outcome: ``data`` as JSON where that was asked for, else ``text``."""
        if self.as_json:
            self.stdout.write(json.dumps(data, cls=DjangoJSONEncoder, indent=2))
        else:
            self.note(text)

    def note(self, text: str) -> None:
        """Write a line for people."""
        if text and not self.as_json:
            self.stdout.write(text)

    def progress(self, items: Sequence[T]) -> Iterator[T]:
        """Yield the items, and show a count on the terminal while they are worked on."""
        for number, item in enumerate(items, start=1):
            self.report(f"{number}/{len(items)}")
            yield item
        if items:
            self.report("\n")

    def report(self, progress: str) -> None:
        """Show on the terminal how far the work is, in place of what was shown before."""
        if self.stderr.isatty():
            self.stderr.write(f"\r{progress}", ending="")
            self.stderr.flush()
