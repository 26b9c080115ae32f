from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from quickscale_stripe import catalogue
from quickscale_stripe.exceptions import PaymentsError
from quickscale_stripe.models import StripePrice, StripeProduct


class Command(BaseCommand):
    help = "Mirror products and prices from Stripe: all, or those that are named."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "ids", nargs="*", help="products (with their prices) and price_...; none: all"
        )

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

    def _rows(self, ids: list[str]) -> Iterator[StripeProduct | StripePrice]:
        if not ids:
            yield from catalogue.sync_all()
        for stripe_id in ids:
            row: StripeProduct | StripePrice | None
            if stripe_id.startswith("price_"):
                row = catalogue.sync_price(stripe_id)
            else:
                row = catalogue.sync_with_prices(stripe_id)
            if row is None:
                raise CommandError(f"Stripe has no {stripe_id}; it is inactive here now.")
            yield row
