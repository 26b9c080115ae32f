"""Read-only views of Stripe's objects; actions call the same functions as everything else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db import models
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from quickscale_stripe import catalogue, webhooks
from quickscale_stripe.exceptions import PaymentsError
from quickscale_stripe.models import (
    Dispute,
    Payment,
    Refund,
    StripeCustomer,
    StripeEvent,
    StripePrice,
    StripeProduct,
    Subscription,
)
from quickscale_stripe.money import format_money

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
    TabularInline = admin.TabularInline[Any, Any]
else:
    ModelAdmin = admin.ModelAdmin
    TabularInline = admin.TabularInline


class ReadOnlyMixin:
    """Stripe is the source: rows are looked at here and changed there."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnlyAdmin(ReadOnlyMixin, ModelAdmin):
    show_full_result_count = False


class PriceInline(ReadOnlyMixin, TabularInline):
    model = StripePrice
    fields = ["stripe_id", "nickname", "money", "interval", "credits", "active", "display_order"]
    readonly_fields = ["money"]
    extra = 0

    @admin.display(description=_("amount"))
    def money(self, price: StripePrice) -> str:
        return "" if price.unit_amount is None else format_money(price.unit_amount, price.currency)


@admin.register(StripeProduct)
class StripeProductAdmin(ReadOnlyAdmin):
    list_display = ["name", "stripe_id", "active", "display_order", "livemode", "synced_at"]
    list_filter = ["active", "livemode"]
    search_fields = ["name", "stripe_id"]
    inlines = [PriceInline]
    actions = ["sync_selected", "sync_all"]

    @admin.action(description=_("Sync the selected products from Stripe"), permissions=["view"])
    def sync_selected(self, request: HttpRequest, queryset: models.QuerySet[StripeProduct]) -> None:
        try:
            for product in queryset:
                catalogue.sync_product(product.stripe_id)
                for price in product.prices.all():
                    catalogue.sync_price(price.stripe_id)
        except PaymentsError as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            self.message_user(request, _("The catalogue is up to date."), messages.SUCCESS)

    @admin.action(description=_("Sync the whole catalogue from Stripe"), permissions=["view"])
    def sync_all(self, request: HttpRequest, queryset: models.QuerySet[StripeProduct]) -> None:
        try:
            count = sum(1 for _row in catalogue.sync_all())
        except PaymentsError as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            text = ngettext("%d row synced.", "%d rows synced.", count) % count
            self.message_user(request, text, messages.SUCCESS)


@admin.register(StripeCustomer)
class StripeCustomerAdmin(ReadOnlyAdmin):
    list_display = ["owner", "email", "stripe_id", "livemode", "created_at", "deleted_at"]
    list_filter = ["livemode"]
    list_select_related = ["owner"]
    search_fields = ["email", "name", "stripe_id"]


class RefundInline(ReadOnlyMixin, TabularInline):
    model = Refund
    extra = 0


class DisputeInline(ReadOnlyMixin, TabularInline):
    model = Dispute
    extra = 0


@admin.register(Payment)
class PaymentAdmin(ReadOnlyAdmin):
    list_display = [
        "created_at", "owner", "description", "money", "status", "kind", "receipt_number",
    ]  # fmt: skip
    list_filter = ["status", "kind", "livemode", "created_at"]
    list_select_related = ["owner"]
    search_fields = [
        "receipt_number", "checkout_session_id", "payment_intent_id", "charge_id", "invoice_id",
    ]  # fmt: skip
    date_hierarchy = "created_at"
    inlines = [RefundInline, DisputeInline]

    @admin.display(description=_("amount"), ordering="amount")
    def money(self, payment: Payment) -> str:
        return format_money(payment.amount, payment.currency)


@admin.register(Subscription)
class SubscriptionAdmin(ReadOnlyAdmin):
    list_display = ["owner", "price", "status", "current_period_end", "cancel_at_period_end"]
    list_filter = ["status", "livemode"]
    list_select_related = ["owner", "price__product"]
    search_fields = ["stripe_id"]


@admin.register(StripeEvent)
class StripeEventAdmin(ReadOnlyAdmin):
    list_display = ["type", "object_id", "status", "attempts", "created_at", "error"]
    list_filter = ["status", "livemode", "created_at"]
    search_fields = ["stripe_id", "object_id", "type"]
    date_hierarchy = "created_at"
    actions = ["replay"]

    @admin.action(description=_("Process the selected events again"), permissions=["view"])
    def replay(self, request: HttpRequest, queryset: models.QuerySet[StripeEvent]) -> None:
        outcomes = [webhooks.replay(event) for event in queryset.order_by("created_at", "id")]
        done = outcomes.count(webhooks.Outcome.DONE)
        level = messages.SUCCESS if done == len(outcomes) else messages.WARNING
        text = _("%(done)d of %(all)d events are done.") % {"done": done, "all": len(outcomes)}
        self.message_user(request, text, level)
