from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from quickscale.management import ReportingCommand
from quickscale_stripe.conf import app_settings
from quickscale_stripe.events import inbox
from quickscale_stripe.events.reconcile import reconcile
from quickscale_stripe.exceptions import PaymentsError


class Command(ReportingCommand):
    help = (
        "Repair what no event reported: read sessions, subscriptions, invoices, refunds and "
        "disputes of the last days from Stripe, then the events that did not come. Also drop old "
        "payloads. Run it daily. What Stripe can't give at the moment is reported, and the rest "
        "continue."
    )
    has_dry_run = True

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--days", type=int, default=3, help="how many days to look back; by default 3"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        since = timezone.now() - timedelta(days=options["days"])
        found = []
        try:
            for difference in reconcile(since=since, dry_run=options["dry_run"]):
                found.append(difference)
                what = difference.error or f"{difference.before} -> {difference.after}"
                self.note(f"{difference.kind} {difference.stripe_id}: {what}")
        except PaymentsError as error:
            raise CommandError(str(error)) from error
        if not options["dry_run"] and app_settings.event_retention_days is not None:
            oldest = timezone.now() - timedelta(days=app_settings.event_retention_days)
            inbox.purge(before=oldest)
        errors = sum(bool(difference.error) for difference in found)
        verb = "would be repaired" if options["dry_run"] else "repaired"
        self.answer(
            {
                "differences": [asdict(difference) for difference in found],
                "errors": errors,
                "dry_run": options["dry_run"],
            },
            f"{len(found) - errors} {verb}, {errors} could not be.",
        )
        if errors and not options["dry_run"]:
            raise CommandError("Some objects could not be compared; see above.")
