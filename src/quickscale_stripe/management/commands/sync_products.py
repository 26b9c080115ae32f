from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import stripe
from django.core.management.base import CommandError, CommandParser

from quickscale.management import ReportingCommand
from quickscale_stripe.catalogue import metadata, mirror
from quickscale_stripe.exceptions import PaymentsError
from quickscale_stripe.models import StripePrice, StripeProduct


class Command(ReportingCommand):
    help = (
        "Mirror this site's products and prices from Stripe: all, or those that are named. Prices "
        "whose metadata doesn't mark them as this site's are left out."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "ids",
            nargs="*",
            help="ids of products, with their prices, and of prices; all by default",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        foreign: list[stripe.Price] = []
        rows: dict[str, StripeProduct | StripePrice] = {}
        self.problems: list[str] = []
        try:
            for row in self._rows(options["ids"], foreign):
                rows[row.stripe_id] = row
                if options["verbosity"] > 1:
                    self.note(f"{row.stripe_id} {row}")
        except PaymentsError as error:
            raise CommandError(str(error)) from error
        for row in rows.values():
            self._tell(row)
        for price in foreign if options["verbosity"] > 1 else ():
            self.note(f"{price.id}: not this site's")
        if foreign:
            self.note(
                f"{len(foreign)} prices are not this site's: they have no credits and no mark."
            )
        self.answer(
            {
                "synced": list(rows),
                "not_ours": [price.id for price in foreign],
                "problems": self.problems,
            },
            f"{len(rows)} products and prices are up to date.",
        )

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
                raise CommandError(f"Stripe has no {stripe_id}; it is now inactive here.")
            yield row
            if isinstance(row, StripeProduct):
                yield from row.prices.select_related("product")

    def _tell(self, row: StripeProduct | StripePrice) -> None:
        for problem in metadata.problems(row.metadata_errors):
            told = f"{row.stripe_id} ({row}): {problem}"
            if isinstance(row, StripePrice):
                until = f"it brings {row.credits} credits" if row.for_sale else "it isn't sold"
                told = f"{told} Until then {until}."
            self.problems.append(told)
            self.stderr.write(told)
