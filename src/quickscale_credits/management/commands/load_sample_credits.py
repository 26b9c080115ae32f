from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from quickscale.internal.owners import OwnerNotFoundError, find_owner
from quickscale_credits.internal.clock import Clock, ledger_clock
from quickscale_credits.internal.databases import database_of, write_atomic
from quickscale_credits.management.base import CreditsCommand
from quickscale_credits.models import METER, CreditAccount, CreditEvent, Service, ServiceUsage
from quickscale_credits.pricing import price_use
from quickscale_credits.samples.text import Summarise, WordCount
from quickscale_credits.services import create_missing_rows

MONTHS = 4
MONTH = timedelta(days=30)
SINCE_LAST = timedelta(days=18)
MONTHLY = 200
THANKS = 100
SERVICES = [Summarise(), WordCount()]


class Command(CreditsCommand):
    help = "Give users without a credit history one of some months. For development only."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "emails", nargs="+", metavar="EMAIL", help="email addresses of existing users"
        )

    def handle(self, *, emails: list[str], database: str | None, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("Sample credits are for development only, and DEBUG is off.")
        using = database or database_of()
        create_missing_rows(using, services=SERVICES)
        entries = {}
        for email in emails:
            with write_atomic(using):
                entries[email] = self.load(email, using)
        self.answer(entries, "")

    def load(self, email: str, using: str) -> int:
        """Return how many entries the user's history got."""
        try:
            owner = find_owner(email, using=using)
        except OwnerNotFoundError as error:
            raise CommandError(str(error)) from error
        accounts = CreditAccount.objects.db_manager(using)
        if accounts.filter(owner=owner, transactions__isnull=False).exists():
            self.note(f"{email} already has a credit history.")
            return 0
        begin = timezone.now() - (MONTHS - 1) * MONTH - SINCE_LAST
        with ledger_clock(begin, using=using) as clock:
            today = timezone.now()
            account = accounts.for_owner(owner)
            for month in range(MONTHS):
                chance = Random(f"{email} {month}")  # noqa: S311
                live_through(month, today, account, clock, chance)
        # Nobody should be notified today of what happened months ago.
        CreditEvent.objects.using(using).filter(account=account).update(delivered_at=timezone.now())
        entries: int = account.transactions.count()
        self.note(f"{email} now has {entries} entries.")
        return entries


def live_through(
    month: int, today: datetime, account: CreditAccount, clock: Clock, chance: Random
) -> None:
    """Live through a month, or its part so far: credits come in, are used, and the rest ends.

    All of them are gifts, because the user has no subscription and has paid for nothing.
    """
    start = clock.now
    account.add_credits(
        MONTHLY,
        f"Trial, {start:%B %Y}",
        credit_type="trial",
        expires_at=start + MONTH,
    )
    if month == 0:
        account.add_credits(25, "Welcome gift", credit_type="bonus")
    if month % 2 == 0:
        clock.move(timedelta(days=2))
        account.add_credits(THANKS, "Thank you for your feedback", credit_type="bonus")
    using = account._state.db
    services = list(
        Service.objects.using(using).filter(slug__in=[service.code for service in SERVICES])
    )
    end = min(start + MONTH, today)
    while (pause := timedelta(hours=chance.randint(6, 40))) < end - clock.now:
        clock.move(pause)
        use(chance.choice(services), chance.randint(1, 8), account, clock, today)
    clock.move(end - clock.now)


def use(
    service: Service, units: int, account: CreditAccount, clock: Clock, today: datetime
) -> None:
    """Use a service at today's price, because the price of that time may be unknown."""
    quote = price_use(service, {METER: units}, at=today)
    cost = quote.cost
    using = account._state.db
    if cost > account.lots.using(using).available():
        return
    entry = account.consume_credits(cost, service.name, service=service) if cost else None
    usage = ServiceUsage.objects.using(using).create(
        service=service,
        account=account,
        transaction=entry,
        units=units,
        quantities={METER: str(units)},
        price_lines=[line.as_json() for line in quote.lines],
        cost=cost,
    )
    ServiceUsage.objects.using(using).filter(pk=usage.pk).update(created_at=clock.now)
