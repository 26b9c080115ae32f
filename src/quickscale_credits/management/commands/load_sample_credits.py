from __future__ import annotations

from argparse import ArgumentParser
from datetime import datetime, timedelta
from random import Random
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from quickscale_credits.clock import Clock, ledger_clock
from quickscale_credits.lookup import OwnerNotFoundError, find_owner
from quickscale_credits.models import CreditAccount, CreditEvent, Service, ServiceUsage
from quickscale_credits.samples.text import Summarise, WordCount
from quickscale_credits.services import create_missing_rows

MONTHS = 4
MONTH = timedelta(days=30)
SINCE_RENEWAL = timedelta(days=18)
PLAN_CREDITS = 200
PACK = 100
SERVICES = [Summarise(), WordCount()]


class Command(BaseCommand):
    help = "Give users without credit history some months of it. For development only."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("emails", nargs="+", metavar="EMAIL", help="of users that exist")

    def handle(self, *, emails: list[str], **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("Sample credits are for development, and DEBUG is off.")
        create_missing_rows(services=SERVICES)
        for email in emails:
            self.load(email)

    @transaction.atomic
    def load(self, email: str) -> None:
        try:
            owner = find_owner(email)
        except OwnerNotFoundError as error:
            raise CommandError(str(error)) from error
        if CreditAccount.objects.filter(owner=owner, transactions__isnull=False).exists():
            self.stdout.write(f"{email} has a credit history already.")
            return
        with ledger_clock(timezone.now() - (MONTHS - 1) * MONTH - SINCE_RENEWAL) as clock:
            today = timezone.now()
            account = CreditAccount.objects.for_owner(owner)
            for month in range(MONTHS):
                chance = Random(f"{email} {month}")  # noqa: S311
                live_through(month, today, account, clock, chance)
        # Nobody should be told today of what happened months ago.
        CreditEvent.objects.filter(account=account).update(delivered_at=timezone.now())
        self.stdout.write(f"{email} has {account.transactions.count()} entries now.")


def live_through(
    month: int, today: datetime, account: CreditAccount, clock: Clock, chance: Random
) -> None:
    """A month of a plan, or what has passed of it: credits come in, are used, and the rest ends."""
    start = clock.now
    account.add_credits(
        PLAN_CREDITS,
        f"Starter plan, {start:%B %Y}",
        credit_type="subscription",
        expires_at=start + MONTH,
    )
    if month == 0:
        account.add_credits(25, "Welcome gift", credit_type="bonus")
    if month % 2 == 0:
        clock.move(timedelta(days=2))
        account.add_credits(PACK, f"{PACK} credits bought")
    services = list(Service.objects.filter(slug__in=[service.code for service in SERVICES]))
    end = min(start + MONTH, today)
    while (pause := timedelta(hours=chance.randint(6, 40))) < end - clock.now:
        clock.move(pause)
        use(chance.choice(services), chance.randint(1, 8), account, clock)
    clock.move(end - clock.now)


def use(service: Service, units: int, account: CreditAccount, clock: Clock) -> None:
    cost = service.cost_of(units)
    if cost > account.get_available_balance():
        return
    entry = account.consume_credits(cost, service.name, service=service) if cost else None
    usage = ServiceUsage.objects.create(
        service=service, account=account, transaction=entry, units=units, cost=cost
    )
    ServiceUsage.objects.filter(pk=usage.pk).update(created_at=clock.now)
