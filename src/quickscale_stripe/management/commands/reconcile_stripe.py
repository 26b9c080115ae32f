from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from quickscale_stripe.conf import app_settings
from quickscale_stripe.events import inbox
from quickscale_stripe.events.reconcile import reconcile
from quickscale_stripe.exceptions import PaymentsError


class Command(BaseCommand):
    help = (
        "Mend what no event told: read sessions, subscriptions, invoices, refunds and disputes of "
        "the last days from Stripe, then the events that did not come, and report. Also drops old "
        "payloads. Run it daily. What Stripe doesn't give for now is told, and the rest goes on."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--days", type=int, default=3, help="how far back; by default 3")
        parser.add_argument("--dry-run", action="store_true", help="report only")

    def handle(self, *args: Any, **options: Any) -> None:
        since = timezone.now() - timedelta(days=options["days"])
        count = errors = 0
        try:
            for difference in reconcile(since=since, dry_run=options["dry_run"]):
                count += 1
                errors += bool(difference.error)
                what = difference.error or f"{difference.before} -> {difference.after}"
                self.stdout.write(f"{difference.kind} {difference.stripe_id}: {what}")
        except PaymentsError as error:
            raise CommandError(str(error)) from error
        if not options["dry_run"] and app_settings.event_retention_days is not None:
            oldest = timezone.now() - timedelta(days=app_settings.event_retention_days)
            inbox.purge(before=oldest)
        verb = "would be mended" if options["dry_run"] else "mended"
        self.stdout.write(f"{count - errors} {verb}, {errors} could not be.")
        if errors and not options["dry_run"]:
            raise CommandError("Some objects could not be compared; see above.")
