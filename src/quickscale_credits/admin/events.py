"""The outbox of the ledger's signals."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy, ngettext

from quickscale.admin.base import ModelAdmin
from quickscale_credits.admin.base import OwnerSearchMixin
from quickscale_credits.admin.columns import ReadableMixin
from quickscale_credits.internal import outbox
from quickscale_credits.models import (
    CreditEvent,
)


@admin.register(CreditEvent)
class CreditEventAdmin(OwnerSearchMixin, ReadableMixin, ModelAdmin):
    list_display = ["created_at", "kind", "account", "delivered_at", "attempts", "last_error"]
    list_filter = ["kind", ("delivered_at", admin.EmptyFieldListFilter)]
    list_select_related = ["account__owner"]
    ordering = ["-pk"]
    show_full_result_count = False
    actions = ["deliver"]

    @admin.action(description=gettext_lazy("Deliver now"), permissions=["view"])
    def deliver(self, request: HttpRequest, queryset: QuerySet[CreditEvent]) -> None:
        waiting = queryset.filter(Q(delivered_at=None))
        accounts = set(waiting.values_list("account_id", flat=True))
        waiting.update(next_attempt_at=timezone.now())
        delivered = sum(outbox.deliver_account(account) for account in sorted(accounts))
        text = ngettext("%d event was delivered.", "%d events were delivered.", delivered)
        messages.success(request, text % delivered)
