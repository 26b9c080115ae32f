from __future__ import annotations

from contextlib import nullcontext
from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from quickscale.management import ReportingCommand
from quickscale_stripe.conf import app_settings
from quickscale_stripe.events import inbox
from quickscale_stripe.internal.dry_run import dry_run


class Command(ReportingCommand):
    help = (
        "Drop the payloads and errors of old events, which contain personal data; the rows stay. "
        "reconcile_stripe does this, too."
    )
    has_dry_run = True
    database_help = "the database of the events"

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--days",
            type=int,
            default=app_settings.event_retention_days,
            help="keep those of this many days; by default QUICKSCALE_STRIPE_EVENT_RETENTION_DAYS",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["days"] is None:
            raise CommandError("QUICKSCALE_STRIPE_EVENT_RETENTION_DAYS is None; give --days.")
        before = timezone.now() - timedelta(days=options["days"])
        using = options["database"]
        with dry_run(using) if options["dry_run"] else nullcontext():
            count = inbox.purge(before=before, using=using)
        verb = "Would drop" if options["dry_run"] else "Dropped"
        self.answer(
            {"purged": count, "dry_run": options["dry_run"]},
            f"{verb} the payloads of {count} events.",
        )
