"""Customers and their subscriptions."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from quickscale.forms import OwnerField
from quickscale_stripe.admin.base import ReadOnlyAdmin, stripe_column
from quickscale_stripe.admin.steps import Step
from quickscale_stripe.billing import adoption, customers, subscriptions
from quickscale_stripe.exceptions import PaymentsError
from quickscale_stripe.models import StripeCustomer, Subscription


class AdoptionForm(forms.Form):
    """An owner, and the owner's customer at Stripe."""

    owner = OwnerField()
    customer = forms.CharField(
        label=gettext_lazy("Customer at Stripe"),
        max_length=255,
        help_text=gettext_lazy(
            "cus_..., as Stripe's dashboard shows it. Its subscriptions are mirrored; credits "
            "come with the next invoice."
        ),
    )


def sync_customer(customer: StripeCustomer) -> None:
    """Sync both ways: bring changes from Stripe here, and send changes from here to Stripe."""
    if customers.sync(customer.stripe_id or "") is None:
        raise PaymentsError(_("Stripe doesn't have it; the next purchase makes a new one."))
    if customer.owner is not None:
        customers.ensure(customer.owner)


@admin.register(StripeCustomer)
class StripeCustomerAdmin(ReadOnlyAdmin):
    owner_prefix = "owner__"
    change_list_template = "admin/quickscale_stripe/customer_list.html"
    list_display = ["owner", "email", "name", "created_at", "deleted_at", "livemode", "stripe_id"]
    list_filter = ["livemode", ("deleted_at", admin.EmptyFieldListFilter)]
    list_select_related = ["owner"]
    search_fields = ["email", "name", "stripe_id"]
    ordering = ["-pk"]
    fields: ClassVar[Any] = [
        "owner", "at_stripe", "email", "name", "livemode", "created_at", "synced_at", "deleted_at",
    ]  # fmt: skip
    at_stripe = staticmethod(stripe_column("customers", "stripe_id", gettext_lazy("Stripe ID")))
    steps: ClassVar[list[Step]] = [
        Step(
            "sync",
            gettext_lazy("Sync with Stripe"),
            sync_customer,
            applies=lambda customer: customer.is_usable,
        )
    ]

    def own_urls(self) -> list[URLPattern]:
        return [self.url("adopt/", self.adopt_view, "adopt"), *super().own_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        context = {"may_manage": self.has_manage_permission(request), **(extra_context or {})}
        return super().changelist_view(request, context)

    def adopt_view(self, request: HttpRequest) -> HttpResponse:
        """Link a customer that Stripe had before this site."""
        if not self.has_manage_permission(request):
            raise PermissionDenied
        form = AdoptionForm(request.POST or None)
        if form.is_valid():
            owner, stripe_id = form.cleaned_data["owner"], form.cleaned_data["customer"].strip()
            try:
                customer = adoption.adopt(owner=owner, stripe_id=stripe_id)
            except PaymentsError as error:
                form.add_error(None, str(error))
            else:
                self.log_change(request, customer, _("Adopted %s") % stripe_id)
                names = {"customer": stripe_id, "owner": owner}
                messages.success(request, _("Adopted %(customer)s for %(owner)s.") % names)
                return self.to_page("change", customer.pk)
        return self.page(
            request,
            "admin/quickscale_stripe/adopt.html",
            title=_("Adopt a customer"),
            form=form,
        )


def sync_subscription(subscription: Subscription) -> None:
    if subscriptions.sync(subscription.stripe_id) is None:
        raise PaymentsError(_("At Stripe it doesn't belong to this site."))


@admin.register(Subscription)
class SubscriptionAdmin(ReadOnlyAdmin):
    owner_prefix = "owner__"
    list_display = [
        "owner", "price", "status", "current_period_end", "cancel_at", "stripe_id",
    ]  # fmt: skip
    list_filter = [
        "status", ("cancel_at", admin.EmptyFieldListFilter), "end_reason", "livemode",
        "price__product",
    ]  # fmt: skip
    list_select_related = ["owner", "price__product"]
    search_fields = ["stripe_id"]
    ordering = ["-pk"]
    fields: ClassVar[Any] = [
        "owner", "at_stripe", "price", "quantity", "status", "current_period_start",
        "current_period_end", "trial_end", "cancel_at", "canceled_at", "ended_at",
        "end_reason", "pending_price", "pending_at", "schedule_id", "livemode", "created_at",
        "synced_at",
    ]  # fmt: skip
    at_stripe = staticmethod(stripe_column("subscriptions", "stripe_id", gettext_lazy("Stripe ID")))
    steps: ClassVar[list[Step]] = [
        Step("sync", gettext_lazy("Sync from Stripe"), sync_subscription),
        Step(
            "cancel",
            gettext_lazy("Cancel at the end of the period"),
            subscriptions.cancel_at_period_end,
            gettext_lazy(
                "It stays active until the paid period ends, and isn't renewed. A scheduled plan "
                "change is dropped. Nothing is refunded."
            ),
            applies=lambda row: row.is_live and not row.cancel_at,
        ),
        Step(
            "cancel-now",
            gettext_lazy("Cancel now"),
            subscriptions.cancel_now,
            gettext_lazy(
                "It ends at once. The period's credits stay until the period ends. Nothing is "
                "refunded; refund the payment separately if needed."
            ),
            applies=lambda row: row.is_live,
        ),
        Step(
            "reactivate",
            gettext_lazy("Undo the cancellation"),
            subscriptions.reactivate,
            gettext_lazy("It will be renewed when the period ends."),
            applies=lambda row: row.is_live and row.cancel_at is not None,
        ),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows.select_related("owner", "price__product", "pending_price__product")
