from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError, CommandParser

from quickscale_credits import ledger
from quickscale_credits.management.base import CreditsCommand, find_account
from quickscale_credits.models import CreditAccount


class Command(CreditsCommand):
    help = (
        "Check that every figure follows from the journal, and that the journal follows its rules. "
        "The exit status is 1 if a figure is wrong."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "owners", nargs="*", metavar="OWNER", help="email or key; by default all"
        )

    def handle(self, *, owners: list[str], database: str | None, **options: Any) -> None:
        if owners:
            accounts = [find_account(owner, using=database) for owner in owners]
            checked = len(accounts)
            wrong = [
                one
                for account in self.progress(accounts)
                for one in ledger.verify(account, using=database)
            ]
        else:
            checked = CreditAccount.objects.using(database).count()
            wrong = self.verify_all(database)
        self.answer(
            {
                "accounts": checked,
                "sound": not wrong,
                "discrepancies": [asdict(discrepancy) for discrepancy in wrong],
            },
            "\n".join(map(str, wrong)) or f"The ledger is sound (accounts: {checked}).",
        )
        if wrong:
            raise CommandError(
                f"{len(wrong)} figures are wrong; rebuild_balances --dry-run shows what it fixes."
            )
