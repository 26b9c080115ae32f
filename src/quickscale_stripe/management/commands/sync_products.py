from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from quickscale_stripe import catalogue
from quickscale_stripe.exceptions import PaymentsError


class Command(BaseCommand):
    help = "Mirror products and prices from Stripe: all, or those that are named."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("ids", nargs="*", help="prod_... and price_...; none: all")

    def handle(self, *args: Any, **options: Any) -> None:
        count = 0
        try:
            for row in self._rows(options["ids"]):
                count += 1
                if options["verbosity"] > 1:
                    self.stdout.write(f"{row.stripe_id} {row}")
        except PaymentsError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(self.style.SUCCESS(f"{count} products and prices are up to date."))

    def _rows(self, ids: list[str]) -> Any:
        if not ids:
            yield from catalogue.sync_all()
        for stripe_id in ids:
            sync = (
                catalogue.sync_price if stripe_id.startswith("price_") else catalogue.sync_product
            )
            row = sync(stripe_id)
            if row is None:
                raise CommandError(f"Stripe has no {stripe_id}; it is inactive here now.")
            yield row
