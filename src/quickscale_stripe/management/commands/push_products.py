from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from quickscale.management import ReportingCommand
from quickscale_stripe.catalogue import file
from quickscale_stripe.catalogue.file import Change
from quickscale_stripe.exceptions import (
    PaymentsError,
    PaymentsOffError,
    StripeUnavailableError,
)
from quickscale_stripe.internal.dry_run import dry_run


class Command(ReportingCommand):
    help = (
        "Make Stripe's products and prices match a JSON file: create, edit, order and archive. "
        "An error with one is reported, and the rest continue."
    )
    has_dry_run = True

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "file", help="a file as export_products writes it; - for standard input"
        )
        parser.add_argument(
            "--archive",
            action="store_true",
            help="archive prices of these products that the file doesn't have",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        done: list[str] = []
        failed: list[str] = []
        try:
            for entry in file.read(_text(options["file"])):
                with dry_run() if options["dry_run"] else nullcontext():
                    for change in file.compare(entry, archive=options["archive"]):
                        self.note(change.summary)
                        fine = options["dry_run"] or self._apply(change)
                        (done if fine else failed).append(change.summary)
        except (PaymentsError, OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{error} Changes made: {len(done)}.") from error
        verb = "Changes to make" if options["dry_run"] else "Changes made"
        self.answer(
            {"changes": done, "failed": failed, "dry_run": options["dry_run"]},
            "" if failed else f"{verb}: {len(done)}.",
        )
        if failed:
            raise CommandError(f"Changes made: {len(done)}, failed: {len(failed)}.")

    def _apply(self, change: Change) -> bool:
        try:
            change.apply()
        except (PaymentsOffError, StripeUnavailableError):
            raise
        except PaymentsError as error:
            self.stderr.write(f"  {error}")
            return False
        return True


def _text(name: str) -> str:
    return sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
