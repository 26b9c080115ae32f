from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import stripe
from django.core.management.base import CommandError, CommandParser

from quickscale.management import ReportingCommand
from quickscale_stripe.catalogue import metadata, mirror
from quickscale_stripe.exceptions import PaymentsError
from quickscale_stripe.internal.dry_run import dry_run
from quickscale_stripe.models import StripePrice, StripeProduct


class Command(ReportingCommand):
    help = (
        "Mirror this site's products and prices from Stripe: all, or those that are named. Prices "
        "whose metadata doesn't mark them as this site's are left out."
    )
    has_dry_run = True

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
        before = _catalogue()
        with dry_run() if options["dry_run"] else nullcontext():
            try:
                for row in self._rows(options["ids"], foreign):
                    rows[row.stripe_id] = row
                    if options["verbosity"] > 1:
                        self.note(f"{row.stripe_id} {row}")
            except PaymentsError as error:
                raise CommandError(str(error)) from error
            changes = _changes(before, _catalogue())
        for stripe_id, fields in changes.items() if options["dry_run"] else ():
            what = ", ".join(fields) if stripe_id in before else "new"
            self.note(f"{stripe_id}: {what}")
        for row in rows.values():
            self._report_problems(row)
        for price in foreign if options["verbosity"] > 1 else ():
            self.note(f"{price.id}: not this site's")
        if foreign:
            self.note(
                f"{len(foreign)} prices are not this site's: they have no credits and no mark."
            )
        self.answer(
            {
                "synced": list(rows),
                "changed": list(changes),
                "not_ours": [price.id for price in foreign],
                "problems": self.problems,
                "dry_run": options["dry_run"],
            },
            f"{len(changes)} products and prices would change."
            if options["dry_run"]
            else f"{len(rows)} products and prices are up to date.",
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
                raise CommandError(f"Stripe has no {stripe_id}, so it isn't sold.")
            yield row
            if isinstance(row, StripeProduct):
                yield from row.prices.select_related("product")

    def _report_problems(self, row: StripeProduct | StripePrice) -> None:
        for problem in metadata.problems(row.metadata_errors):
            text = f"{row.stripe_id} ({row}): {problem}"
            if isinstance(row, StripePrice):
                until = f"it brings {row.credits} credits" if row.for_sale else "it isn't sold"
                text = f"{text} Until then {until}."
            self.problems.append(text)
            self.stderr.write(text)


def _catalogue() -> dict[str, dict[str, Any]]:
    """Return the columns of all products and prices, by their ids at Stripe."""
    rows: list[Any] = [*StripeProduct.objects.values(), *StripePrice.objects.values()]
    return {row["stripe_id"]: row for row in rows}


def _changes(
    before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]
) -> dict[str, list[str]]:
    """Return the names of the columns that differ, by the ids of their rows."""
    changes = {
        stripe_id: [
            name
            for name, value in row.items()
            if name != "synced_at" and value != before.get(stripe_id, {}).get(name)
        ]
        for stripe_id, row in after.items()
    }
    return {stripe_id: fields for stripe_id, fields in changes.items() if fields}
