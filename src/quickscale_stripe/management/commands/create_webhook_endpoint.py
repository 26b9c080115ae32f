from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import stripe
from django.core.management.base import BaseCommand, CommandError, CommandParser

from quickscale_stripe.client import get_client
from quickscale_stripe.exceptions import PaymentsError, stripe_errors
from quickscale_stripe.handlers import HANDLERS

if TYPE_CHECKING:
    from stripe.params import WebhookEndpointCreateParams


class Command(BaseCommand):
    help = (
        "Make a webhook endpoint at Stripe for the events that this app handles, with the SDK's "
        "API version, and print its secret, which Stripe shows only once."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("url", help="such as https://example.com/stripe/webhook/")

    def handle(self, *args: Any, **options: Any) -> None:
        params = {
            "url": options["url"],
            "enabled_events": sorted(HANDLERS),
            "api_version": stripe.api_version,
            "description": "QuickScale",
        }
        try:
            with stripe_errors():
                endpoint = get_client().v1.webhook_endpoints.create(
                    cast("WebhookEndpointCreateParams", params)
                )
        except PaymentsError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Made {endpoint.id} for {len(HANDLERS)} types of event.")
        self.stdout.write(f"Add to the environment:\nSTRIPE_WEBHOOK_SECRET={endpoint.secret}")
