from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from quickscale_stripe.conf import app_settings
from quickscale_stripe.events import inbox


class Command(BaseCommand):
    help = (
        "Drop the payloads of old events, which have personal data; the rows stay. "
        "reconcile_stripe does it, too."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--days",
            type=int,
            default=app_settings.event_retention_days,
            help="keep those of the last days; by default QUICKSCALE_STRIPE_EVENT_RETENTION_DAYS",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["days"] is None:
            raise CommandError("QUICKSCALE_STRIPE_EVENT_RETENTION_DAYS is None; give --days.")
        before = timezone.now() - timedelta(days=options["days"])
        self.stdout.write(f"Dropped the payloads of {inbox.purge(before=before)} events.")
