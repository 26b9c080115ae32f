from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from quickscale_credits import ledger, outbox
from quickscale_credits.management.base import CreditsCommand, add_dry_run
from quickscale_credits.managers import LedgerClock
from quickscale_credits.models import CreditAccount


class Command(CreditsCommand):
    help = (
        "Post the expiries and time-outs that are due. Balances are right without it; the history "
        "follows. Run it daily or hourly."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        add_dry_run(parser)
        parser.add_argument("--limit", type=int, metavar="N", help="touch at most N accounts")

    def handle(self, *, dry_run: bool, limit: int | None, **options: Any) -> None:
        if dry_run:
            due = CreditAccount.objects.filter(next_due_at__lte=LedgerClock())[:limit].count()
            self.answer(options, {"accounts": due, "dry_run": True}, f"{due} accounts are due.")
            return
        touched = ledger.expire_due(limit=limit)
        outbox.deliver_due()
        self.answer(
            options,
            {"accounts": touched, "dry_run": False},
            f"Posted what was due on {touched} accounts.",
        )
