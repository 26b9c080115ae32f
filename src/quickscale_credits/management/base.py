"""Code that the commands of credits share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import CommandError

from quickscale.internal.owners import OwnerNotFoundError, find_owner
from quickscale.management import ReportingCommand
from quickscale_credits import ledger
from quickscale_credits.exceptions import CreditsError
from quickscale_credits.internal.databases import database_of, require_database, write_atomic
from quickscale_credits.models import CreditAccount


class CreditsCommand(ReportingCommand):
    """A command that takes ``--json`` and ``--database``."""

    database_help = "a database of DATABASES; by default the one that the router writes credits to"

    def verify_all(self, using: str | None) -> list[ledger.Discrepancy]:
        """Return what is wrong in all accounts, and report the progress."""
        wrong = []
        for share, part in ledger.verify_in_parts(using=using):
            wrong += part
            self.report(f"Checked {share:.0%}")
        self.report("\n")
        return wrong


@contextmanager
def writing(*, using: str | None, dry_run: bool) -> Iterator[None]:
    """Run a command's writes in a transaction, and undo it at the end of a dry run.

    Raises:
        CommandError: the ledger refuses a write.
    """
    using = using or database_of()
    try:
        with write_atomic(using, dry_run=dry_run):
            yield
    except CreditsError as error:
        raise CommandError(str(error)) from error


def find_account(name: str, *, using: str | None) -> CreditAccount:
    """Find an owner's account, for reading, by a user's email address or the owner's key.

    Raises:
        CommandError: there is no such owner.
    """
    return CreditAccount.objects.db_manager(using).to_read(_find_owner(name, using))


def find_account_to_write(name: str, *, using: str | None) -> CreditAccount:
    """Find or open an account in the database that its writes go to.

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
