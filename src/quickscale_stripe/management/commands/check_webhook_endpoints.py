from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import stripe
from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.http.request import validate_host
from django.urls import reverse

from quickscale.management import ReportingCommand
from quickscale_stripe.client import get_client
from quickscale_stripe.events.handlers import HANDLERS
from quickscale_stripe.exceptions import PaymentsError, stripe_errors

_LOCAL_HOSTS = [".localhost", "127.0.0.1", "[::1]"]


class Command(ReportingCommand):
    help = (
        "Ask Stripe for this site's webhook endpoints and report what is wrong with them: an API "
        "version other than the SDK's, missing events, or no enabled endpoint. Also name the "
        "account's endpoints that lead elsewhere."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "url",
            nargs="?",
            help="the endpoint's address; by default all with this site's path and hosts",
        )

    def handle(self, *args: Any, url: str | None, **options: Any) -> None:
        try:
            with stripe_errors():
                listed = list(
                    get_client().v1.webhook_endpoints.list({"limit": 100}).auto_paging_iter()
                )
        except PaymentsError as error:
            raise CommandError(str(error)) from error
        ours = [endpoint for endpoint in listed if _is_ours(endpoint.url, url)]
        for other in listed:
            if other not in ours:
                where = "past this site's webhook" if _is_here(other.url) else "to another site"
                self.note(f"{other.id} ({other.url}) leads {where}.")
        problems = [problem for endpoint in ours for problem in _problems(endpoint)]
        if not any(endpoint.status == "enabled" for endpoint in ours):
            problems.append("No endpoint is enabled; create_webhook_endpoint makes one.")
        self.answer(
            {
                "endpoints": [endpoint.id for endpoint in ours],
                "others": [endpoint.id for endpoint in listed if endpoint not in ours],
                "problems": problems,
            },
            "" if problems else f"{len(ours)} endpoint(s), nothing wrong.",
        )
        if problems:
            raise CommandError("\n".join(problems))


def _is_ours(address: str, url: str | None) -> bool:
    if url:
        return address == url
    return _is_here(address) and urlsplit(address).path == reverse("stripe_webhook")


def _is_here(address: str) -> bool:
    hosts = settings.ALLOWED_HOSTS or (_LOCAL_HOSTS if settings.DEBUG else [])
    return validate_host(urlsplit(address).hostname or "", hosts)


def _problems(endpoint: stripe.WebhookEndpoint) -> Iterator[str]:
    name = f"{endpoint.id} ({endpoint.url})"
    if endpoint.status != "enabled":
        yield f"{name} is {endpoint.status}."
    if endpoint.api_version != stripe.api_version:
        yield (
            f"{name} sends events of API version {endpoint.api_version or 'of the account'}, and "
            f"the SDK's is {stripe.api_version}. They are still understood; make a new endpoint, "
            "add its secret, and delete this one."
        )
    missing = set(HANDLERS) - set(endpoint.enabled_events)
    if missing and "*" not in endpoint.enabled_events:
        yield f"{name} doesn't send {', '.join(sorted(missing))}."
