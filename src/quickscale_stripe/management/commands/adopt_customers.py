from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from quickscale.internal.owners import OwnerNotFoundError, find_owner
from quickscale.management import ReportingCommand
from quickscale_stripe.billing import adoption
from quickscale_stripe.exceptions import NotAdoptableError, PaymentsError
from quickscale_stripe.internal.dry_run import dry_run

COLUMNS = ["owner", "customer"]


class Command(ReportingCommand):
    help = (
        "Link customers that Stripe already has to their owners, and mirror their subscriptions: "
        "those in a CSV file, or those with an owner's email address. An error with one is "
        "reported, and the rest continue."
    )
    has_dry_run = True

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "file",
            nargs="?",
            help="CSV with the columns owner (an email address or a primary key) and customer",
        )
        parser.add_argument(
            "--by-email",
            action="store_true",
            help="link each owner without a customer to the only one at Stripe with their address",
        )
        parser.add_argument(
            "--take-over",
            action="store_true",
            help="also take customers with the mark of another database that no longer exists",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if bool(options["file"]) == options["by_email"]:
            raise CommandError("Give a CSV file, or --by-email.")
        self.failed: list[str] = []
        self.take_over = bool(options["take_over"])
        pairs = self._by_email() if options["by_email"] else self._of_file(options["file"])
        done = []
        try:
            for owner, stripe_id in pairs:
                if self._adopt(owner, stripe_id, is_dry_run=options["dry_run"]):
                    done.append({"owner": str(owner), "customer": stripe_id})
        except PaymentsError as error:
            raise CommandError(f"{error} Adopted: {len(done)}.") from error
        verb = "Would be adopted" if options["dry_run"] else "Adopted"
        self.answer(
            {"adopted": done, "failed": self.failed, "dry_run": options["dry_run"]},
            f"{verb}: {len(done)}.",
        )
        if self.failed:
            raise CommandError(f"Not possible: {len(self.failed)}; see above.")

    def _adopt(self, owner: Any, stripe_id: str, *, is_dry_run: bool) -> bool:
        try:
            with dry_run() if is_dry_run else nullcontext():
                do = adoption.examine if is_dry_run else adoption.adopt
                do(owner=owner, stripe_id=stripe_id, take_over=self.take_over)
        except NotAdoptableError as error:
            self._fail(str(error))
            return False
        self.note(f"{owner}: {stripe_id}")
        return True

    def _by_email(self) -> Iterator[tuple[Any, str]]:
        for owner, found in adoption.matches():
            if len(found) == 1:
                yield owner, found[0]
            else:
                self._fail(f"{owner}: Stripe has {', '.join(found)}; name one in a file.")

    def _of_file(self, name: str) -> Iterator[tuple[Any, str]]:
        try:
            text = Path(name).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(str(error)) from error
        reader = csv.DictReader(text.splitlines())
        if not set(COLUMNS) <= set(reader.fieldnames or ()):
            raise CommandError(f"{name}: the first line must name {' and '.join(COLUMNS)}.")
        for row in reader:
            owner_name, stripe_id = ((row[column] or "").strip() for column in COLUMNS)
            try:
                yield find_owner(owner_name), stripe_id
            except OwnerNotFoundError as error:
                self._fail(f"Line {reader.line_num}: {error}")

    def _fail(self, why: str) -> None:
        self.failed.append(why)
        self.stderr.write(why)
