"""What the commands of credits have in common."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction

from quickscale_credits import ledger
from quickscale_credits.exceptions import CreditsError
from quickscale_credits.lookup import OwnerNotFoundError, find_owner
from quickscale_credits.models import CreditAccount

T = TypeVar("T")


class CreditsCommand(BaseCommand):
    """A command with ``--json``: one JSON document on standard output, and nothing else there.

    It ends with status 0, or 1 when it could not do its work or what it checks is not so.
    """

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="answer in JSON")

    def answer(self, options: dict[str, Any], data: Any, text: str) -> None:
        """Print ``data`` as JSON where that was asked for, else ``text``."""
        if options["json"]:
            self.stdout.write(json.dumps(data, cls=DjangoJSONEncoder, indent=2))
        elif text:
            self.stdout.write(text)

    def progress(self, items: Sequence[T]) -> Iterator[T]:
        """The items, with a count on the terminal while they are worked on."""
        for number, item in enumerate(items, start=1):
            self.report(f"{number}/{len(items)}")
            yield item
        if items:
            self.report("\n")

    def report(self, progress: str) -> None:
        """Say on the terminal how far the work is, in the place of what was said before."""
        if self.stderr.isatty():
            self.stderr.write(f"\r{progress}", ending="")
            self.stderr.flush()

    def verify_all(self) -> list[ledger.Discrepancy]:
        """What is wrong in all accounts, with the progress."""
        wrong = []
        for share, part in ledger.verify_in_parts():
            wrong += part
            self.report(f"Checked {share:.0%}")
        self.report("\n")
        return wrong


def add_dry_run(parser: CommandParser) -> None:
    parser.add_argument(
        "--dry-run", action="store_true", help="show what would happen, write nothing"
    )


@contextmanager
def writing(*, dry_run: bool) -> Iterator[None]:
    """A transaction for the writes of a command, undone at the end of a dry run.

    Raises:
        CommandError: the ledger refuses.
    """
    try:
        with transaction.atomic():
            yield
            if dry_run:
                transaction.set_rollback(True)
    except CreditsError as error:
        raise CommandError(str(error)) from error


def find_account(name: str) -> CreditAccount:
    """The account of an owner, by a user's e-mail address or the owner's primary key.

    Raises:
        CommandError: there is no such owner.
    """
    try:
        return CreditAccount.objects.for_owner(find_owner(name))
    except OwnerNotFoundError as error:
        raise CommandError(str(error)) from error
