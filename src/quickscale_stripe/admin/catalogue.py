"""Products and prices as Stripe has them, with buttons that fetch them again.

They are edited in Stripe's dashboard or by ``push_products``.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.html import format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from quickscale.admin.base import TabularInline
from quickscale.admin.columns import ReadOnlyMixin
from quickscale_stripe.admin.base import (
    ReadOnlyAdmin,
    stripe_column,
)
from quickscale_stripe.admin.steps import Step
from quickscale_stripe.catalogue import metadata, mirror, publishing
from quickscale_stripe.exceptions import PaymentsError
from quickscale_stripe.internal.wording import credit_terms, price_terms
from quickscale_stripe.models import StripePrice, StripeProduct


def archive(row: Any) -> None:
    publishing.set_active(row=row, active=False)


def restore(row: Any) -> None:
    publishing.set_active(row=row, active=True)


def archiving(question: Any) -> list[Step]:
    return [
        Step(
            "archive",
            gettext_lazy("Archive"),
            archive,
            question,
            applies=lambda row: row.active,
        ),
        Step(
            "restore",
            gettext_lazy("Put on sale again"),
            restore,
            applies=lambda row: not row.active,
        ),
    ]


def sync_product(product: StripeProduct) -> None:
    if mirror.sync_with_prices(product.stripe_id) is None:
        raise PaymentsError(_("Stripe doesn't have it; it is now inactive here."))


def sync_price(price: StripePrice) -> None:
    if mirror.sync_price(price.stripe_id) is None:
        raise PaymentsError(_("Stripe doesn't have it; it is now inactive here."))


def find_product(stripe_id: str) -> StripeProduct:
    """Return the product with this id, fetched from Stripe if it isn't here yet."""
    known = StripeProduct.objects.filter(stripe_id=stripe_id).first()
    return known or StripeProduct(stripe_id=stripe_id, name=stripe_id)


class CatalogueAdmin(ReadOnlyAdmin):
    """What products and prices have in common."""

    @admin.display(description=gettext_lazy("problems"))
    def problems(self, row: StripeProduct | StripePrice) -> str:
        """Return what is wrong with the metadata, and what to type instead."""
        found = metadata.problems(row.metadata_errors)
        return format_html_join("", "<p>{}</p>", ((problem,) for problem in found)) or "-"


class TermsMixin:
    @admin.display(description=gettext_lazy("amount"), ordering="unit_amount")
    def terms(self, price: StripePrice) -> str:
        return price_terms(price)

    @admin.display(description=gettext_lazy("credits"), ordering="credits")
    def credit_amount(self, price: StripePrice) -> str:
        return credit_terms(price)


class PriceInline(TermsMixin, ReadOnlyMixin, TabularInline):
    model = StripePrice
    fields: ClassVar[Any] = [
        "stripe_id", "nickname", "terms", "credit_amount", "active", "for_sale", "display_order",
    ]  # fmt: skip
    show_change_link = True
    extra = 0

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows.select_related("product")


@admin.register(StripeProduct)
class StripeProductAdmin(CatalogueAdmin):
    change_list_template = "admin/quickscale_stripe/catalogue_list.html"
    list_display = ["name", "active", "prices_on_sale", "display_order", "synced_at", "stripe_id"]
    list_filter = ["active", "livemode"]
    search_fields = ["name", "=stripe_id"]
    ordering = ["display_order", "name", "pk"]
    fields: ClassVar[Any] = [
        "name", "at_stripe", "description", "images", "features", "display_order", "metadata",
        "problems", "active", "livemode", "synced_at",
    ]  # fmt: skip
    at_stripe = staticmethod(stripe_column("products", "stripe_id", gettext_lazy("Stripe ID")))
    inlines = [PriceInline]
    steps: ClassVar[list[Step]] = [
        Step("sync", gettext_lazy("Sync from Stripe"), sync_product),
        *archiving(gettext_lazy("It is no longer sold. Subscriptions to its prices continue.")),
        Step(
            "sync-all",
            gettext_lazy("Sync the whole catalogue from Stripe"),
            sync_product,
            find=find_product,
            is_action=False,
        ),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        products: QuerySet[Any] = super().get_queryset(request)
        rows: QuerySet[Any] = products.annotate(
            on_sale=Count("prices", filter=Q(prices__active=True, prices__for_sale=True))
        )
        return rows

    @admin.display(description=gettext_lazy("prices on sale"), ordering="on_sale")
    def prices_on_sale(self, product: Any) -> int:
        count: int = product.on_sale
        return count

    def own_urls(self) -> list[URLPattern]:
        return [self.url("sync-all/", self.sync_all_view, "sync_all"), *super().own_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        context = {"may_manage": self.has_manage_permission(request), **(extra_context or {})}
        return super().changelist_view(request, context)

    def sync_all_view(self, request: HttpRequest) -> HttpResponse:
        step = self._step(request, "sync-all")
        if request.method != "POST":
            return self.to_page("changelist")
        try:
            ids = mirror.product_ids()
        except PaymentsError as error:
            messages.error(request, _("Stripe is unreachable: %s") % error)
            return self.to_page("changelist")
        return self.begin(request, step, ids)

    def log_step(self, request: HttpRequest, row: Any, step: Step) -> None:
        if row.pk:
            super().log_step(request, row, step)


@admin.register(StripePrice)
class StripePriceAdmin(TermsMixin, CatalogueAdmin):
    list_display = [
        "__str__", "terms", "credit_amount", "display_order", "active", "for_sale", "lookup_key",
    ]  # fmt: skip
    list_filter = ["active", "for_sale", "currency", "interval", "livemode"]
    list_select_related = ["product"]
    search_fields = ["=stripe_id", "nickname", "=lookup_key", "product__name"]
    ordering = ["product__display_order", "product__name", "display_order", "pk"]
    fields: ClassVar[Any] = [
        "product", "at_stripe", "nickname", "lookup_key", "terms", "credit_amount",
        "display_order", "metadata", "problems", "for_sale", "active", "livemode", "synced_at",
    ]  # fmt: skip
    at_stripe = staticmethod(stripe_column("prices", "stripe_id", gettext_lazy("Stripe ID")))
    steps: ClassVar[list[Step]] = [
        Step("sync", gettext_lazy("Sync from Stripe"), sync_price),
        *archiving(gettext_lazy("It is no longer sold. Subscriptions to it continue.")),
    ]
