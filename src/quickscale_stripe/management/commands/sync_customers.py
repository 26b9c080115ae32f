from __future__ import annotations

from collections import Counter
from typing import Any

from django.core.management.base import CommandError

from quickscale.management import ReportingCommand
from quickscale_stripe.billing import customers
from quickscale_stripe.exceptions import (
    PaymentsError,
    PaymentsOffError,
    StripeUnavailableError,
)
from quickscale_stripe.models import StripeCustomer

#: The number of requests in a row without a response after which the rest is not tried.
PATIENCE = 5


class Command(ReportingCommand):
    help = (
        "Update the name, address and payment method of every known customer, here and at "
        "Stripe. An error with one is reported, and the rest continue."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        self.counts: Counter[str] = Counter()
        unanswered = 0
        known = (
            StripeCustomer.objects.usable()
            .exclude(owner=None)
            .select_related("owner")
            .order_by("pk")
        )
        for customer in known.iterator():
            try:
                self._sync(customer)
            except PaymentsOffError as error:
                raise CommandError(str(error)) from error
            except PaymentsError as error:
                self.counts["failed"] += 1
                self.stderr.write(f"{customer.stripe_id} ({customer.owner}): {error}")
                is_silent = isinstance(error, StripeUnavailableError)
                unanswered = unanswered + 1 if is_silent else 0
                if unanswered == PATIENCE:
                    raise CommandError(f"Stripe can't be reached. {self._summary()}") from error
            else:
                unanswered = 0
        names = ("synced", "gone", "failed")
        self.answer(
            {name: self.counts[name] for name in names},
            "" if self.counts["failed"] else self._summary(),
        )
        if self.counts["failed"]:
            raise CommandError(self._summary())

    def _sync(self, customer: StripeCustomer) -> None:
        if customers.sync(customer.stripe_id or ""):
            customers.ensure(customer.owner)
            self.counts["synced"] += 1
        else:
            self.counts["gone"] += 1
            self.note(f"{customer.stripe_id} ({customer.owner}) no longer exists at Stripe.")

    def _summary(self) -> str:
        count = self.counts
        return f"{count['synced']} up to date, {count['gone']} gone, {count['failed']} failed."
