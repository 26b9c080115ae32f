from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import stripe
from django.core.management.base import CommandError, CommandParser
from django.urls import reverse

from quickscale.management import ReportingCommand
from quickscale_stripe.client import get_client
from quickscale_stripe.events.handlers import HANDLERS
from quickscale_stripe.exceptions import PaymentsError, stripe_errors

if TYPE_CHECKING:
    from stripe.params import WebhookEndpointCreateParams


class Command(ReportingCommand):
    help = (
        "Make a webhook endpoint at Stripe for the events that this app handles, with the SDK's "
        "API version, and print its secret, which Stripe shows only once."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("url", help="such as https://example.com/stripe/webhook/")
        parser.add_argument(
            "--another",
            action="store_true",
            help="make one even if this address has some, for example for a new API version",
        )

    def handle(self, *args: Any, url: str, another: bool, **options: Any) -> None:
        url = self._complete(url)
        params = {
            "url": url,
            "enabled_events": sorted(HANDLERS),
            "api_version": stripe.api_version,
            "description": "QuickScale",
        }
        try:
            client = get_client().v1.webhook_endpoints
            with stripe_errors():
                listed = client.list({"limit": 100}).auto_paging_iter()
                there = [endpoint.id for endpoint in listed if endpoint.url == url]
                if there and not another:
                    raise CommandError(
                        f"{url} already has an endpoint: {', '.join(there)}. Its secret is in "
                        "Stripe's dashboard. --another makes one more; delete the old one when the "
                        "new secret is in use."
                    )
                endpoint = client.create(cast("WebhookEndpointCreateParams", params))
        except PaymentsError as error:
            raise CommandError(str(error)) from error
        self.answer(
            {"id": endpoint.id, "url": url, "secret": endpoint.secret},
            f"Made {endpoint.id} for {len(HANDLERS)} event types at {url}\n"
            f"Add to the environment:\nSTRIPE_WEBHOOK_SECRET={endpoint.secret}\n"
            "Until the site uses it, this endpoint's events get the response 400.",
        )

    def _complete(self, url: str) -> str:
        """Return the address with its last slash; warn if it isn't the site's webhook."""
        path, expected = urlsplit(url).path, reverse("stripe_webhook")
        if f"{path}/" == expected:
            self.note("Added the last slash: without it, the site redirects.")
            return f"{url}/"
        if path != expected:
            self.stderr.write(f"This site's webhook is at {expected}, not at {path or '/'}.")
        return url
