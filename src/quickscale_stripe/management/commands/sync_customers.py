from __future__ import annotations

from collections import Counter
from contextlib import nullcontext
from typing import Any

from django.core.management.base import CommandError

from quickscale.management import ReportingCommand
from quickscale_stripe.billing import customers
from quickscale_stripe.exceptions import (
    PaymentsError,
    PaymentsOffError,
    StripeUnavailableError,
    WouldWriteError,
)
from quickscale_stripe.internal.dry_run import dry_run
from quickscale_stripe.models import StripeCustomer

#: The number of requests in a row without a response after which the rest is not tried.
PATIENCE = 5
COUNTS = ("synced", "changed", "gone", "failed")
MIRRORED = ("email", "name", "payment_method", "default_payment_method_id")


class Command(ReportingCommand):
    help = (
        "Update the name, address and payment method of every known customer, here and at "
        "Stripe. An error with one is reported, and the rest continue."
    )
    has_dry_run = True

    def handle(self, *args: Any, **options: Any) -> None:
        self.dry_run = bool(options["dry_run"])
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
        self.answer(
            {name: self.counts[name] for name in COUNTS} | {"dry_run": self.dry_run},
            "" if self.counts["failed"] else self._summary(),
        )
        if self.counts["failed"]:
            raise CommandError(self._summary())

    def _sync(self, customer: StripeCustomer) -> None:
        with dry_run() if self.dry_run else nullcontext():
            try:
                synced = customers.sync(customer.stripe_id or "")
                if synced:
                    synced = customers.ensure(customer.owner)
            except WouldWriteError as error:
                self._note_change(customer, str(error))
                return
        if synced is None:
            self.counts["gone"] += 1
            self.note(f"{customer.stripe_id} ({customer.owner}) no longer exists at Stripe.")
            return
        self.counts["synced"] += 1
        changed = [name for name in MIRRORED if getattr(customer, name) != getattr(synced, name)]
        if changed:
            self._note_change(customer, ", ".join(changed))

    def _note_change(self, customer: StripeCustomer, what: str) -> None:
        self.counts["changed"] += 1
        self.note(f"{customer.stripe_id} ({customer.owner}): {what}")

    def _summary(self) -> str:
        count = self.counts
        done = f"{count['changed']} to change" if self.dry_run else f"{count['synced']} up to date"
        return f"{done}, {count['gone']} gone, {count['failed']} failed."
