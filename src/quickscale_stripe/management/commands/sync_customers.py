from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from quickscale_stripe import customers
from quickscale_stripe.exceptions import PaymentsError
from quickscale_stripe.models import StripeCustomer


class Command(BaseCommand):
    help = "Bring name and address of every known customer up to date, from Stripe and to it."

    def handle(self, *args: Any, **options: Any) -> None:
        count = 0
        known = StripeCustomer.objects.filter(stripe_id__isnull=False, deleted_at=None)
        try:
            for customer in known.select_related("owner").iterator():
                if customers.sync(customer.stripe_id or ""):
                    customers.ensure(customer.owner)
                    count += 1
        except PaymentsError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(self.style.SUCCESS(f"{count} customers are up to date."))
