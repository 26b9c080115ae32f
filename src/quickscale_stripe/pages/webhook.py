"""Stripe's endpoint."""

from __future__ import annotations

from ipaddress import ip_address

from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import csrf_exempt
from django.views.generic import View

from quickscale.clients import client_address
from quickscale_stripe.client import payments_are_on
from quickscale_stripe.conf import app_settings
from quickscale_stripe.events import inbox
from quickscale_stripe.exceptions import (
    InvalidWebhookError,
)


@method_decorator([csrf_exempt, login_not_required, transaction.non_atomic_requests], "dispatch")
class WebhookView(View):
    """Stripe's endpoint.

    It returns 400 for what is not an event from Stripe, 403 for other networks than
    ``WEBHOOK_NETWORKS``, and 409 or 500 if Stripe should send the event again.
    """

    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        if not _may_send_events(request):
            return HttpResponse("Not your network.", status=403, content_type="text/plain")
        if not payments_are_on():
            return HttpResponse("Payments are off.", status=503, content_type="text/plain")
        if _is_too_large(request, app_settings.webhook_max_bytes):
            return HttpResponse("Too large.", status=413, content_type="text/plain")
        try:
            event = inbox.receive(request.body, request.headers.get("Stripe-Signature"))
        except InvalidWebhookError as error:
            return HttpResponse(str(error), status=400, content_type="text/plain")
        if app_settings.webhook_tasks:
            from quickscale_stripe.events.tasks import process_event

            process_event.enqueue(event.pk)
            return HttpResponse("queued", content_type="text/plain")
        outcome = inbox.process(event.pk)
        status = {
            inbox.Outcome.DONE: 200,
            inbox.Outcome.BUSY: 409,
            inbox.Outcome.FAILED: 500,
        }[outcome]
        return HttpResponse(outcome.value, status=status, content_type="text/plain")


def _may_send_events(request: HttpRequest) -> bool:
    """Return whether ``WEBHOOK_NETWORKS`` allows the client's address. It must be known."""
    networks = app_settings.webhook_networks
    if not networks:
        return True
    address = client_address(request)
    return address is not None and any(ip_address(address) in network for network in networks)


def _is_too_large(request: HttpRequest, limit: int) -> bool:
    """Check the declared length first, so that a large body isn't even read."""
    declared = request.META.get("CONTENT_LENGTH") or ""
    return (declared.isdecimal() and int(declared) > limit) or len(request.body) > limit
