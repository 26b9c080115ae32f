from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import stripe
from django.core.management.base import BaseCommand, CommandError, CommandParser

from quickscale_stripe.catalogue import metadata, mirror
from quickscale_stripe.exceptions import PaymentsError
from quickscale_stripe.models import StripePrice, StripeProduct


class Command(BaseCommand):
    help = (
        "Mirror this site's products and prices from Stripe: all, or those that are named. Prices "
        "whose metadata don't mark them as this site's are left out."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "ids", nargs="*", help="products (with their prices) and price_...; none: all"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        foreign: list[stripe.Price] = []
        rows: dict[str, StripeProduct | StripePrice] = {}
        try:
            for row in self._rows(options["ids"], foreign):
                rows[row.stripe_id] = row
                if options["verbosity"] > 1:
                    self.stdout.write(f"{row.stripe_id} {row}")
        except PaymentsError as error:
            raise CommandError(str(error)) from error
        for row in rows.values():
            self._tell(row)
        for price in foreign if options["verbosity"] > 1 else ():
            self.stdout.write(f"{price.id}: not this site's")
        if foreign:
            self.stdout.write(f"{len(foreign)} prices are not this site's: no credits, no mark.")
        self.stdout.write(self.style.SUCCESS(f"{len(rows)} products and prices are up to date."))

    def _rows(
        self, ids: list[str], foreign: list[stripe.Price]
    ) -> Iterator[StripeProduct | StripePrice]:
        if not ids:
            yield from mirror.sync_all(on_foreign=foreign.append)
        for stripe_id in ids:
            row: StripeProduct | StripePrice | None
            if stripe_id.startswith("price_"):
                row = mirror.sync_price(stripe_id)
            else:
                row = mirror.sync_with_prices(stripe_id)
            if row is None:
                raise CommandError(f"Stripe has no {stripe_id}; it is inactive here now.")
            yield row
            if isinstance(row, StripeProduct):
                yield from row.prices.select_related("product")

    def _tell(self, row: StripeProduct | StripePrice) -> None:
        for problem in metadata.problems(row.metadata_errors):
            name = f"{row.stripe_id} ({row})"
            if isinstance(row, StripeProduct):
                self.stderr.write(f"{name}: {problem}")
            elif row.for_sale:
                self.stderr.write(f"{name}: {problem} Until then {row.credits} credits count.")
            else:
                self.stderr.write(f"{name}: {problem} Until then it isn't sold.")
