from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError, CommandParser

from quickscale_credits import ledger
from quickscale_credits.management.base import CreditsCommand, find_account
from quickscale_credits.models import CreditAccount


class Command(CreditsCommand):
    help = "Check that every figure follows from the journal. Status 1 when one does not."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("owners", nargs="*", metavar="OWNER", help="e-mail or key; none: all")

    def handle(self, *, owners: list[str], **options: Any) -> None:
        accounts: list[CreditAccount | None] = [find_account(owner) for owner in owners]
        wrong = [
            discrepancy
            for account in self.progress(accounts or [None])
            for discrepancy in ledger.verify(account)
        ]
        self.answer(
            options,
            {"sound": not wrong, "discrepancies": [asdict(discrepancy) for discrepancy in wrong]},
            "\n".join(map(str, wrong)) or "The ledger is sound.",
        )
        if wrong:
            raise CommandError(f"{len(wrong)} figures are wrong.")
