"""The admin of transactions, lots and holds, which are read-only and undone by the ledger."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy

from quickscale.admin.base import ModelAdmin, TabularInline
from quickscale.admin.columns import credits_column
from quickscale.formats import format_moment
from quickscale_credits.admin.base import CsvExportMixin, OwnerSearchMixin
from quickscale_credits.admin.columns import ReadableMixin
from quickscale_credits.admin.tasks import (
    HOLD_TASKS,
    LOT_TASKS,
    TRANSACTION_TASKS,
    TasksMixin,
)
from quickscale_credits.models import (
    CreditAllocation,
    CreditHold,
    CreditLot,
    CreditTransaction,
)


class AllocationInline(ReadableMixin, TabularInline):
    model = CreditAllocation
    columns: ClassVar[Any] = ["lot", "credit_type", "ends", "share"]
    verbose_name_plural = gettext_lazy("which credits")
    share = staticmethod(credits_column("amount", gettext_lazy("amount"), signed=True))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.columns

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.columns

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        allocations: QuerySet[Any] = super().get_queryset(request)
        return allocations.select_related("lot")

    @admin.display(description=gettext_lazy("type"))
    def credit_type(self, allocation: CreditAllocation) -> str:
        return str(allocation.lot.get_credit_type_display())

    @admin.display(description=gettext_lazy("ends"))
    def ends(self, allocation: CreditAllocation) -> str | None:
        end = allocation.lot.expires_at
        return format_moment(end) if end else None


@admin.register(CreditTransaction)
class CreditTransactionAdmin(
    CsvExportMixin, OwnerSearchMixin, TasksMixin, ReadableMixin, ModelAdmin
):
    tasks = TRANSACTION_TASKS
    list_display: Any = [
        "created_at",
        "sequence",
        "account",
        "kind",
        "change",
        "after",
        "description",
        "service",
    ]
    list_display_links = ["sequence"]
    list_filter = ["kind", "service", "created_at"]
    list_select_related = ["account__owner", "service"]
    ordering = ["-pk"]
    show_full_result_count = False
    inlines = [AllocationInline]
    export_fields = (
        "pk",
        "account",
        "sequence",
        "kind",
        "amount",
        "balance_after",
        "description",
        "service",
        "actor",
        "created_at",
    )
    change = staticmethod(credits_column("amount", gettext_lazy("amount"), signed=True))
    after = staticmethod(credits_column("balance_after", gettext_lazy("balance after")))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("account__owner", "service", "actor")


@admin.register(CreditLot)
class CreditLotAdmin(OwnerSearchMixin, TasksMixin, ReadableMixin, ModelAdmin):
    tasks = LOT_TASKS
    list_display = ["account", "credit_type", "granted", "left", "effective_at", "expires_at"]
    list_filter = ["credit_type", "is_open"]
    list_select_related = ["account__owner"]
    ordering = ["-pk"]
    show_full_result_count = False
    granted = staticmethod(credits_column("amount", gettext_lazy("amount")))
    left = staticmethod(credits_column("remaining", gettext_lazy("remaining")))


@admin.register(CreditHold)
class CreditHoldAdmin(OwnerSearchMixin, TasksMixin, ReadableMixin, ModelAdmin):
    tasks = HOLD_TASKS
    list_display = ["created_at", "account", "set_aside", "status", "description", "expires_at"]
    list_filter = ["status", "service"]
    list_select_related = ["account__owner"]
    ordering = ["-pk"]
    show_full_result_count = False
    set_aside = staticmethod(credits_column("amount", gettext_lazy("amount")))
