from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.management.base import CommandParser

from quickscale_credits.internal import outbox
from quickscale_credits.internal.databases import database_of
from quickscale_credits.management.base import CreditsCommand
from quickscale_credits.models import CreditEvent


class Command(CreditsCommand):
    help = "Deliver the events that are waiting. Run it every minute or so."
    has_dry_run = True

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--limit", type=int, metavar="N", help="of at most N accounts")
        parser.add_argument(
            "--purge",
            type=int,
            metavar="DAYS",
            help="delete events older than DAYS days, not QUICKSCALE_CREDITS_EVENT_RETENTION",
        )

    def handle(
        self,
        *,
        dry_run: bool,
        limit: int | None,
        purge: int | None,
        database: str | None,
        **options: Any,
    ) -> None:
        using = database or database_of()
        delivered = 0 if dry_run else outbox.deliver_due(limit=limit, using=using)
        age = None if purge is None else timedelta(days=purge)
        purged = 0 if dry_run else outbox.purge(older_than=age, using=using)
        left = CreditEvent.objects.using(using).filter(delivered_at=None).count()
        self.answer(
            {"delivered": delivered, "purged": purged, "left": left, "dry_run": dry_run},
            f"Delivered {delivered} events, deleted {purged}; {left} are left.",
        )
