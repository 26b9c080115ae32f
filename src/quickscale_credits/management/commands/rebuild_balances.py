from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError, CommandParser

from quickscale_credits import ledger
from quickscale_credits.internal.databases import database_of
from quickscale_credits.management.base import (
    CreditsCommand,
    find_account_to_write,
    writing,
)
from quickscale_credits.models import CreditAccount


class Command(CreditsCommand):
    help = (
        "Set the stored figures to what the journal says; the journal is never changed. The exit "
        "status is 1 if something is wrong that this can't correct."
    )
    has_dry_run = True

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("owners", nargs="*", metavar="OWNER", help="email or key")
        parser.add_argument("--all", action="store_true", help="every account with wrong figures")

    def handle(
        self, *, owners: list[str], dry_run: bool, database: str | None, **options: Any
    ) -> None:
        if bool(owners) == options["all"]:
            raise CommandError("Name owners, or use --all.")
        using = database or database_of()
        accounts = [find_account_to_write(owner, using=using) for owner in owners]
        accounts = accounts or self.unsound(using)
        corrected: list[ledger.Discrepancy] = []
        left: list[ledger.Discrepancy] = []
        for account in self.progress(accounts):
            with writing(using=using, dry_run=dry_run):
                corrected += ledger.rebuild(account)
                left += ledger.verify(account, using=using)
        verb = "Would correct" if dry_run else "Corrected"
        self.answer(
            {
                "accounts": len(accounts),
                "dry_run": dry_run,
                "corrected": [asdict(discrepancy) for discrepancy in corrected],
                "left": [asdict(discrepancy) for discrepancy in left],
            },
            "\n".join([*map(str, corrected), f"{verb} {len(corrected)} figures."]),
        )
        if left:
            raise CommandError(
                "Only a person can correct what is wrong in the journal itself:\n"
                + "\n".join(map(str, left))
            )

    def unsound(self, using: str) -> list[CreditAccount]:
        keys = {discrepancy.account_id for discrepancy in self.verify_all(using)}
        return list(CreditAccount.objects.using(using).filter(pk__in=keys).order_by("pk"))
