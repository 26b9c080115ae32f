from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.management.base import CommandError, CommandParser

from quickscale_credits.internal.balances import balance_overview
from quickscale_credits.management.base import CreditsCommand, find_account
from quickscale_credits.models import CreditAccount


class Command(CreditsCommand):
    help = "Show the credits of owners. The exit status is 1 if one has fewer than --at-least."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("owners", nargs="+", metavar="OWNER", help="email or key")
        parser.add_argument("--at-least", type=number, metavar="N", help="available credits")

    def handle(
        self, *, owners: list[str], at_least: Decimal | None, database: str | None, **options: Any
    ) -> None:
        found = [
            self.describe(owner, find_account(owner, using=database))
            for owner in self.progress(owners)
        ]
        self.answer(found, "\n".join(map(as_text, found)))
        if at_least is not None:
            short = [row["owner"] for row in found if row["available"] < at_least]
            if short:
                raise CommandError(f"Fewer than {at_least} credits: {', '.join(short)}.")

    def describe(self, owner: str, account: CreditAccount) -> dict[str, Any]:
        overview = balance_overview(account)
        return {
            "owner": owner,
            "status": account.status,
            "available": overview.available,
            "held": overview.held,
            "by_type": [
                {"type": type_.code, "amount": type_.amount, "first_ends_at": type_.ends_at}
                for type_ in overview.by_type
            ],
            "expiring_in_7_days": account.get_expiring_credits(),
        }


def as_text(row: dict[str, Any]) -> str:
    types = ", ".join(f"{type_['type']} {type_['amount']}" for type_ in row["by_type"])
    return (
        f"{row['owner']} ({row['status']}): {row['available']} available, {row['held']} held"
        f"{f' ({types})' if types else ''}, {row['expiring_in_7_days']} expire in 7 days"
    )


def number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError(text) from None
