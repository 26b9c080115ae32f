from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from quickscale.management import ReportingCommand
from quickscale_stripe.events import inbox
from quickscale_stripe.models import StripeEvent


class Command(ReportingCommand):
    help = (
        "Process stored events again: those that are due (--due, for a periodic job), or those "
        "that the other options choose, whatever their status."
    )
    has_dry_run = True

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("ids", nargs="*", help="evt_...")
        parser.add_argument("--due", action="store_true", help="never tried, or due for a retry")
        parser.add_argument(
            "--status", nargs="+", choices=StripeEvent.Status.values, help="those with this status"
        )
        parser.add_argument("--type", help="such as invoice.paid")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["dry_run"]:
            count = self._chosen(options).count()
            self.answer({"events": count, "dry_run": True}, f"{count} events would be processed.")
            return
        if options["due"]:
            counts = inbox.process_due()
        else:
            counts = dict.fromkeys(inbox.Outcome, 0)
            for event in self._chosen(options).iterator():
                counts[inbox.replay(event)] += 1
        figures = {outcome.value: count for outcome, count in counts.items()}
        text = ", ".join(f"{count} {outcome}" for outcome, count in figures.items())
        self.answer({**figures, "dry_run": False}, text)
        if counts[inbox.Outcome.FAILED]:
            raise CommandError("Some events failed; their errors are in the admin.")

    def _chosen(self, options: dict[str, Any]) -> Any:
        if options["due"]:
            return StripeEvent.objects.due()
        if not (options["ids"] or options["status"] or options["type"]):
            raise CommandError("Give event ids, or use --due, --status or --type.")
        events = StripeEvent.objects.order_by("created_at", "id")
        if options["ids"]:
            events = events.filter(stripe_id__in=options["ids"])
        if options["status"]:
            events = events.filter(status__in=options["status"])
        if options["type"]:
            events = events.filter(type=options["type"])
        return events
