from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from quickscale_stripe.events import inbox
from quickscale_stripe.models import StripeEvent


class Command(BaseCommand):
    help = (
        "Process stored events again: those whose time has come (--due, for a periodic job), or "
        "those that the other options choose, whatever their status."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("ids", nargs="*", help="evt_...")
        parser.add_argument("--due", action="store_true", help="never tried, or due for a retry")
        parser.add_argument(
            "--status", nargs="+", choices=StripeEvent.Status.values, help="those of this status"
        )
        parser.add_argument("--type", help="such as invoice.paid")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["due"]:
            counts = inbox.process_due()
        else:
            counts = dict.fromkeys(inbox.Outcome, 0)
            for event in self._chosen(options).iterator():
                counts[inbox.replay(event)] += 1
        summary = ", ".join(f"{count} {outcome.value}" for outcome, count in counts.items())
        self.stdout.write(summary)
        if counts[inbox.Outcome.FAILED]:
            raise CommandError("Some events failed; their errors are in the admin.")

    def _chosen(self, options: dict[str, Any]) -> Any:
        if not (options["ids"] or options["status"] or options["type"]):
            raise CommandError("Name events, or use --due, --status or --type.")
        events = StripeEvent.objects.order_by("created_at", "id")
        if options["ids"]:
            events = events.filter(stripe_id__in=options["ids"])
        if options["status"]:
            events = events.filter(status__in=options["status"])
        if options["type"]:
            events = events.filter(type=options["type"])
        return events
