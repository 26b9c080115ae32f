"""The inbox of Stripe's events."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from quickscale_stripe.admin.base import ReadOnlyAdmin, stripe_column
from quickscale_stripe.admin.steps import Step
from quickscale_stripe.events import inbox
from quickscale_stripe.exceptions import PaymentsError
from quickscale_stripe.models import StripeEvent


def replay(event: StripeEvent) -> None:
    outcome = inbox.replay(event)
    if outcome is inbox.Outcome.BUSY:
        raise PaymentsError(_("Another worker is handling this event."))
    if outcome is inbox.Outcome.FAILED:
        event.refresh_from_db(fields=["error"])
        raise PaymentsError(event.error)


@admin.register(StripeEvent)
class StripeEventAdmin(ReadOnlyAdmin):
    list_display = ["type", "status", "attempts", "created_at", "short_error", "object_id"]
    list_filter = ["status", "livemode", "created_at"]
    search_fields = ["=stripe_id", "=object_id", "type"]
    ordering = ["-created_at", "-pk"]
    fields: ClassVar[Any] = [
        "type", "at_stripe", "object_id", "status", "attempts", "next_attempt_at", "error",
        "full_traceback", "created_at", "received_at", "processed_at", "snapshot_id", "account",
        "api_version", "livemode", "pretty_payload",
    ]  # fmt: skip
    at_stripe = staticmethod(stripe_column("events", "stripe_id", gettext_lazy("Stripe ID")))
    steps: ClassVar[list[Step]] = [Step("replay", gettext_lazy("Process again"), replay)]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Leave the long texts out of the list's query."""
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows.defer("payload", "traceback")

    @admin.display(description=gettext_lazy("error"))
    def short_error(self, event: StripeEvent) -> str:
        return Truncator(event.error).chars(100)

    @admin.display(description=gettext_lazy("traceback"))
    def full_traceback(self, event: StripeEvent) -> str:
        return _preformatted(event.traceback)

    @admin.display(description=gettext_lazy("payload"))
    def pretty_payload(self, event: StripeEvent) -> str:
        if event.payload is None:
            return _("It is not kept.")
        return _preformatted(json.dumps(event.payload, indent=2, ensure_ascii=False))


def _preformatted(text: str) -> str:
    return format_html('<pre class="qs-pre">{}</pre>', text) if text else ""
