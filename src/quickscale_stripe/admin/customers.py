"""Customers and their subscriptions."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from quickscale_stripe import customers, subscriptions
from quickscale_stripe.admin.base import ReadOnlyAdmin, stripe_column
from quickscale_stripe.admin.jobs import Step
from quickscale_stripe.exceptions import PaymentsError
from quickscale_stripe.models import StripeCustomer, Subscription


def sync_customer(customer: StripeCustomer) -> None:
    """Both ways: what was changed at Stripe comes here, what was changed here goes there."""
    if customers.sync(customer.stripe_id or "") is None:
        raise PaymentsError(_("Stripe doesn't have it; the next purchase makes a new one."))
    customers.ensure(customer.owner)


@admin.register(StripeCustomer)
class StripeCustomerAdmin(ReadOnlyAdmin):
    owner_prefix = "owner__"
    list_display = ["owner", "email", "name", "stripe_id", "livemode", "created_at", "deleted_at"]
    list_filter = ["livemode", ("deleted_at", admin.EmptyFieldListFilter)]
    list_select_related = ["owner"]
    search_fields = ["email", "name", "stripe_id"]
    ordering = ["-pk"]
    fields: ClassVar[Any] = [
        "owner", "at_stripe", "email", "name", "livemode", "created_at", "synced_at", "deleted_at",
    ]  # fmt: skip
    readonly_fields: ClassVar[Any] = fields
    at_stripe = staticmethod(stripe_column("customers", "stripe_id", gettext_lazy("Stripe ID")))
    steps: ClassVar[list[Step]] = [
        Step(
            "sync",
            gettext_lazy("Sync with Stripe"),
            sync_customer,
            applies=lambda customer: customer.is_usable,
        )
    ]


def sync_subscription(subscription: Subscription) -> None:
    if subscriptions.sync(subscription.stripe_id) is None:
        raise PaymentsError(_("It isn't this site's at Stripe."))


@admin.register(Subscription)
class SubscriptionAdmin(ReadOnlyAdmin):
    owner_prefix = "owner__"
    list_display = [
        "owner", "price", "status", "current_period_end", "cancel_at_period_end", "stripe_id",
    ]  # fmt: skip
    list_filter = ["status", "cancel_at_period_end", "livemode", "price__product"]
    list_select_related = ["owner", "price__product"]
    search_fields = ["stripe_id"]
    ordering = ["-pk"]
    fields: ClassVar[Any] = [
        "owner", "at_stripe", "price", "quantity", "status", "current_period_start",
        "current_period_end", "trial_end", "cancel_at_period_end", "cancel_at", "canceled_at",
        "ended_at", "pending_price", "pending_at", "schedule_id", "livemode", "created_at",
        "synced_at",
    ]  # fmt: skip
    readonly_fields: ClassVar[Any] = fields
    at_stripe = staticmethod(stripe_column("subscriptions", "stripe_id", gettext_lazy("Stripe ID")))
    steps: ClassVar[list[Step]] = [
        Step("sync", gettext_lazy("Sync from Stripe"), sync_subscription),
        Step(
            "cancel",
            gettext_lazy("Cancel at the end of the period"),
            subscriptions.cancel_at_period_end,
            gettext_lazy(
                "It stays active until the period that is paid ends, and isn't renewed. A change "
                "of plan that was to come is dropped. Nothing is refunded."
            ),
            applies=lambda row: row.is_live and not row.cancel_at_period_end,
        ),
        Step(
            "cancel-now",
            gettext_lazy("Cancel now"),
            subscriptions.cancel_now,
            gettext_lazy(
                "It ends at once. The credits of the period stay until the period ends. Nothing "
                "is refunded: refund the payment if it should be."
            ),
            applies=lambda row: row.is_live,
        ),
        Step(
            "reactivate",
            gettext_lazy("Take the cancellation back"),
            subscriptions.reactivate,
            gettext_lazy("It will be renewed when the period ends."),
            applies=lambda row: row.is_live and row.cancel_at_period_end,
        ),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows.select_related("owner", "price__product", "pending_price__product")
