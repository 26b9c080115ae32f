"""What the commands of credits have in common."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connections

from quickscale.lookup import OwnerNotFoundError, find_owner
from quickscale_credits import ledger
from quickscale_credits.databases import database_of, require_database, write_atomic
from quickscale_credits.exceptions import CreditsError
from quickscale_credits.models import CreditAccount

T = TypeVar("T")


class CreditsCommand(BaseCommand):
    """A command with ``--json``: one JSON document on standard output, and nothing else there.

    It ends with status 0, or 1 when it could not do its work or what it checks is not so.
    """

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="answer in JSON")
        add_database(parser)

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

    def verify_all(self, using: str | None) -> list[ledger.Discrepancy]:
        """Return what is wrong in all accounts, and report the progress."""
        wrong = []
        for share, part in ledger.verify_in_parts(using=using):
            wrong += part
            self.report(f"Checked {share:.0%}")
        self.report("\n")
        return wrong


def add_database(parser: CommandParser) -> None:
    parser.add_argument(
        "--database",
        choices=tuple(connections),
        metavar="ALIAS",
        help="a database of DATABASES; by default the one that the router writes credits to",
    )


def add_dry_run(parser: CommandParser) -> None:
    parser.add_argument(
        "--dry-run", action="store_true", help="show what would happen, write nothing"
    )


@contextmanager
def writing(*, using: str | None, dry_run: bool) -> Iterator[None]:
    """Put a command's writes into a transaction, and undo it at the end of a dry run.

    Raises:
        CommandError: the ledger refuses.
    """
    using = using or database_of()
    try:
        with write_atomic(using, dry_run=dry_run):
            yield
    except CreditsError as error:
        raise CommandError(str(error)) from error


def find_account(name: str, *, using: str | None) -> CreditAccount:
    """Find the account of an owner, to read, by a user's email address or the owner's key.

    Raises:
        CommandError: there is no such owner.
    """
    return CreditAccount.objects.db_manager(using).to_read(_find_owner(name, using))


def find_account_to_write(name: str, *, using: str | None) -> CreditAccount:
    """Find an account, or open it, in the database that its writes go to.

    Raises:
        CommandError: there is no such owner, or the router writes to another database.
    """
    using = using or database_of()
    account = CreditAccount.objects.db_manager(using).for_owner(_find_owner(name, using))
    try:
        require_database(account, using)
    except CreditsError as error:
        raise CommandError(str(error)) from error
    return account


def _find_owner(name: str, using: str | None) -> Any:
    try:
        return find_owner(name, using=using)
    except OwnerNotFoundError as error:
        raise CommandError(str(error)) from error
