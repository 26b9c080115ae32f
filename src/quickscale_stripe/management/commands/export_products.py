from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from quickscale_stripe import catalogue_file
from quickscale_stripe.conf import app_settings
from quickscale_stripe.models import StripeProduct


class Command(BaseCommand):
    help = "Write the products and prices on sale here as JSON, for push_products."

    def handle(self, *args: Any, **options: Any) -> None:
        on_sale = StripeProduct.objects.filter(active=True, livemode=app_settings.live_mode)
        self.stdout.write(catalogue_file.write(on_sale.order_by("display_order", "pk")))
