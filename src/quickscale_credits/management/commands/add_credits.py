from __future__ import annotations

from datetime import datetime
from typing import Any

from django.core.management.base import CommandParser

from quickscale_credits.internal.arguments import GRANTABLE_TYPES
from quickscale_credits.internal.imports import parse_moment
from quickscale_credits.management.base import (
    CreditsCommand,
    find_account_to_write,
    writing,
)


class Command(CreditsCommand):
    help = "Add credits to an owner's account."
    has_dry_run = True

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "owner", metavar="OWNER", help="a user's email address or the owner's key"
        )
        parser.add_argument("amount", metavar="AMOUNT", help="up to 4 decimal places")
        parser.add_argument("description", metavar="REASON", help="shown to the owner")
        parser.add_argument(
            "--type", choices=sorted(GRANTABLE_TYPES), default="payg", help="by default payg"
        )
        parser.add_argument(
            "--expires", type=parse_moment, metavar="DATE", help="2027-01-31 or 2027-01-31T12:00"
        )
        parser.add_argument("--key", help="idempotency key: using it again adds nothing")

    def handle(
        self,
        *,
        owner: str,
        amount: str,
        description: str,
        expires: datetime | None,
        dry_run: bool,
        database: str | None,
        **options: Any,
    ) -> None:
        account = find_account_to_write(owner, using=database)
        with writing(using=account._state.db, dry_run=dry_run):
            entry = account.add_credits(
                amount,
                description,
                credit_type=options["type"],
                expires_at=expires,
                idempotency_key=options["key"],
            )
            balance = account.lots.using(account._state.db).available()
        verb = "Would add" if dry_run else "Added"
        self.answer(
            {
                "owner": owner,
                "amount": entry.amount,
                "available": balance,
                "sequence": entry.sequence,
                "dry_run": dry_run,
            },
            f"{verb} {entry.amount} credits; {balance} are available to {owner}.",
        )
