from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from quickscale_credits import ledger
from quickscale_credits.internal import outbox
from quickscale_credits.internal.databases import database_of
from quickscale_credits.internal.expressions import LedgerClock
from quickscale_credits.management.base import CreditsCommand
from quickscale_credits.models import CreditAccount


class Command(CreditsCommand):
    help = (
        "Post the expiries and time-outs that are due, and announce credits that end soon. "
        "Balances are right without it, but the history is not up to date. Run it daily or hourly. "
        "The exit status is 1 if an account could not be posted; all others are."
    )
    has_dry_run = True

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--limit", type=int, metavar="N", help="touch at most N accounts")

    def handle(
        self, *, dry_run: bool, limit: int | None, database: str | None, **options: Any
    ) -> None:
        using = database or database_of()
        accounts = CreditAccount.objects.using(using)
        if dry_run:
            due = accounts.filter(next_due_at__lte=LedgerClock())[:limit].count()
            self.answer({"accounts": due, "dry_run": True}, f"{due} accounts are due.")
            return
        swept = ledger.sweep(limit=limit, using=using)
        outbox.deliver_due(using=using)
        outbox.purge(using=using)
        failed = accounts.filter(pk__in=swept.failed).select_related("owner")
        names = {account.pk: str(account) for account in failed.order_by("pk")}
        self.answer(
            {
                "accounts": swept.posted,
                "announced": swept.announced,
                "failed": [{"account": pk, "owner": owner} for pk, owner in names.items()],
                "dry_run": False,
            },
            f"Posted what was due on {swept.posted} accounts; "
            f"announced the end of {swept.announced} lots.",
        )
        if names:
            raise CommandError(
                "Not posted, see verify_ledger: "
                + ", ".join(f"{owner} (account {pk})" for pk, owner in names.items())
            )
