from __future__ import annotations

from datetime import datetime
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from quickscale_credits import ledger
from quickscale_credits.databases import database_of
from quickscale_credits.imports import parse_moment
from quickscale_credits.management.base import (
    CreditsCommand,
    add_dry_run,
    find_account_to_write,
    writing,
)
from quickscale_credits.models import CreditAccount


class Command(CreditsCommand):
    help = (
        "Move the journal's lines from before a day into the archive; one line carries each "
        "account's balance forward. Back up first. Status 1 when an account is not sound and was "
        "left as it is."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        add_dry_run(parser)
        parser.add_argument("--before", required=True, metavar="DATE", help="such as 2025-01-01")
        parser.add_argument("owners", nargs="*", metavar="OWNER", help="email or key")
        parser.add_argument("--all", action="store_true", help="every account")

    def handle(
        self,
        *,
        owners: list[str],
        before: str,
        dry_run: bool,
        database: str | None,
        **options: Any,
    ) -> None:
        if bool(owners) == options["all"]:
            raise CommandError("Name owners, or use --all.")
        moment = first_moment(before)
        using = database or database_of()
        accounts = [find_account_to_write(owner, using=using) for owner in owners] or list(
            CreditAccount.objects.using(using)
            .filter(transactions__created_at__lt=moment)
            .order_by("pk")
            .distinct()
        )
        moved = 0
        refused: list[str] = []
        for account in self.progress(accounts):
            try:
                with writing(using=using, dry_run=dry_run):
                    moved += ledger.archive(account=account, before=moment)
            except CommandError as error:
                refused.append(f"account {account.pk}: {error}")
        verb = "Would move" if dry_run else "Moved"
        self.answer(
            options,
            {
                "accounts": len(accounts),
                "moved": moved,
                "refused": refused,
                "dry_run": dry_run,
            },
            f"{verb} {moved} lines of {len(accounts)} accounts.",
        )
        if refused:
            raise CommandError("Left as they are:\n" + "\n".join(refused))


def first_moment(day: str) -> datetime:
    """The begin of a day in the site's time zone, in the past."""
    try:
        moment = parse_moment(f"{day}T00:00")
    except ValueError as error:
        raise CommandError(f"{day!r} is no date such as 2025-01-01.") from error
    if moment > timezone.now():
        raise CommandError(f"{day} is in the future.")
    return moment
