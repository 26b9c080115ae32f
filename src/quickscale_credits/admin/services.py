"""Services, their prices and their uses."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Avg, Count, DecimalField, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce, Round, TruncDate
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.urls import URLPattern
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from quickscale.admin.base import ModelAdmin, TabularInline
from quickscale.admin.columns import RoomMixin, credits_column, readable
from quickscale.admin.pages import PagesMixin
from quickscale.formats import format_number
from quickscale_credits.admin.base import CsvExportMixin, OwnerSearchMixin
from quickscale_credits.admin.columns import ReadableMixin
from quickscale_credits.models import (
    Service,
    ServicePrice,
    ServiceUsage,
)
from quickscale_credits.pricing import price_list

ANALYSED = timedelta(days=30)
STATUSES = {
    "coming": gettext_lazy("to come"),
    "in force": gettext_lazy("in force"),
    "past": gettext_lazy("past"),
}


class NewPriceInline(TabularInline):
    """Add a price that replaces the one in force; stored prices are not changed."""

    model = ServicePrice
    verbose_name_plural = gettext_lazy("new prices")
    fields = ["meter", "dimension", "unit_price", "per", "effective_at"]
    extra = 0
    can_delete = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).none()


@admin.register(ServicePrice)
class ServicePriceAdmin(CsvExportMixin, RoomMixin, ModelAdmin):
    """Show the price history of all services. Only future prices can be deleted."""

    list_display = [
        "service",
        "meter",
        "dimension",
        "figure",
        "per_units",
        "effective_at",
        "status",
    ]
    list_filter = ["service", "meter"]
    list_select_related = ["service"]
    search_fields = ["service__name", "service__slug", "meter", "dimension"]
    fields = ["service", "meter", "dimension", "unit_price", "per", "effective_at"]
    export_fields = (
        "service",
        "meter",
        "dimension",
        "unit_price",
        "per",
        "effective_at",
        "status",
    )
    figure = staticmethod(credits_column("unit_price", gettext_lazy("price")))

    def get_list_display(self, request: HttpRequest) -> Any:
        return readable(self.model, super().get_list_display(request))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        prices: QuerySet[Any] = ServicePrice.objects.with_status()
        return prices

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        coming = obj is not None and obj.status == "coming"
        return coming and super().has_delete_permission(request, obj)

    @admin.display(description=gettext_lazy("per"), ordering="per")
    def per_units(self, price: ServicePrice) -> str:
        return format_number(price.per)

    @admin.display(description=gettext_lazy("status"))
    def status(self, price: Any) -> str:
        return str(STATUSES[price.status])


@admin.register(Service)
class ServiceAdmin(CsvExportMixin, PagesMixin, RoomMixin, ModelAdmin):
    """Show services and how much they were used in the last 30 days."""

    list_display = ["name", "slug", "price", "is_active", "uses", "spent", "accounts", "analytics"]
    list_filter = ["is_active"]
    search_fields = ["name", "slug"]
    prepopulated_fields = {"slug": ["name"]}
    actions = ["switch_on", "switch_off", "download_csv"]
    export_fields = ("slug", "name", "unit", "is_active", "uses", "spent", "accounts")
    readonly_fields = ["history"]
    inlines = [NewPriceInline]
    spent = staticmethod(credits_column("spent", gettext_lazy("credits in 30 days")))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        used = (
            ServiceUsage.objects.filter(
                service=OuterRef("pk"), created_at__gte=timezone.now() - ANALYSED
            )
            .order_by()
            .values("service")
        )
        services: QuerySet[Any] = Service.objects.with_prices()
        annotated: QuerySet[Any] = services.annotate(
            uses=Coalesce(Subquery(used.annotate(n=Count("pk")).values("n")), 0),
            accounts=Coalesce(
                Subquery(used.annotate(n=Count("account", distinct=True)).values("n")), 0
            ),
            spent=Coalesce(
                Subquery(used.annotate(n=Sum("cost")).values("n")),
                Decimal(0),
                output_field=DecimalField(),
            ),
        )
        return annotated

    @admin.display(description=gettext_lazy("price"))
    def price(self, service: Service) -> str:
        return render_to_string("quickscale_credits/_price.html", {"service": service})

    @admin.display(description=gettext_lazy("price list"))
    def history(self, service: Service) -> str:
        prices = price_list(service) if service.pk else []
        return render_to_string("admin/quickscale_credits/prices.html", {"prices": prices})

    @admin.display(description=gettext_lazy("uses in 30 days"), ordering="uses")
    def uses(self, service: Any) -> int:
        count: int = service.uses
        return count

    @admin.display(description=gettext_lazy("accounts in 30 days"), ordering="accounts")
    def accounts(self, service: Any) -> int:
        count: int = service.accounts
        return count

    @admin.display(description=gettext_lazy("usage"))
    def analytics(self, service: Service) -> str:
        url = self.page_url("usage", service.pk)
        return format_html('<a href="{}">{}</a>', url, _("By day"))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Keep used services for the history; they can be switched off instead."""
        return False

    @admin.action(description=gettext_lazy("Switch on"), permissions=["change"])
    def switch_on(self, request: HttpRequest, queryset: QuerySet[Service]) -> None:
        self._switch(request, queryset, is_active=True)

    @admin.action(description=gettext_lazy("Switch off"), permissions=["change"])
    def switch_off(self, request: HttpRequest, queryset: QuerySet[Service]) -> None:
        self._switch(request, queryset, is_active=False)

    def _switch(
        self, request: HttpRequest, queryset: QuerySet[Service], *, is_active: bool
    ) -> None:
        changed = Service.objects.filter(pk__in=queryset.values("pk")).update(
            is_active=is_active, updated_at=timezone.now()
        )
        text = ngettext("%d service was changed.", "%d services were changed.", changed)
        messages.success(request, text % changed)

    def get_urls(self) -> list[URLPattern]:
        return [
            self.url("<path:object_id>/usage/", self.usage_view, "usage"),
            *super().get_urls(),
        ]

    def usage_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        service = get_object_or_404(Service, pk=object_id)
        usages = service.usages.filter(created_at__gte=timezone.now() - ANALYSED)
        figures = {
            "uses": Count("pk"),
            "total_units": Sum("units"),
            "spent": Sum("cost"),
            "accounts": Count("account", distinct=True),
        }
        return self.page(
            request,
            "admin/quickscale_credits/usage.html",
            title=_("Usage of %s") % service,
            original=service,
            days=ANALYSED.days,
            total=usages.order_by().aggregate(**figures, average=Round(Avg("cost"), 2)),
            by_day=usages.order_by()
            .annotate(day=TruncDate("created_at"))
            .values("day")
            .annotate(**figures)
            .order_by("-day"),
        )


@admin.register(ServiceUsage)
class ServiceUsageAdmin(CsvExportMixin, OwnerSearchMixin, ReadableMixin, ModelAdmin):
    list_display = ["created_at", "service", "dimension", "account", "used", "price", "missing"]
    list_filter = ["service", "created_at"]
    list_select_related = ["service", "account__owner"]
    ordering = ["-pk"]
    show_full_result_count = False
    export_fields = (
        "pk",
        "service",
        "dimension",
        "account",
        "units",
        "quantities",
        "cost",
        "shortfall",
        "created_at",
    )
    price = staticmethod(credits_column("cost", gettext_lazy("cost")))
    missing = staticmethod(credits_column("shortfall", gettext_lazy("shortfall")))

    @admin.display(description=gettext_lazy("used"), ordering="units")
    def used(self, usage: ServiceUsage) -> str:
        if usage.units is not None:
            return format_number(usage.units)
        return ", ".join(
            f"{format_number(Decimal(quantity))} {meter}"
            for meter, quantity in usage.quantities.items()
        )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("service", "account__owner")
