"""Payments and their refunds."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin import EmptyFieldListFilter
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from quickscale.admin.base import TabularInline
from quickscale.admin.columns import (
    ReadOnlyMixin,
    WordsFilter,
    credits_column,
    money_column,
    words,
)
from quickscale.formats import format_credits, format_money
from quickscale_stripe.admin.base import (
    ReadOnlyAdmin,
    stripe_column,
)
from quickscale_stripe.admin.forms import RefundForm
from quickscale_stripe.admin.links import stripe_link
from quickscale_stripe.admin.steps import Step
from quickscale_stripe.billing import invoices, money_back, refunds, returns, sessions
from quickscale_stripe.conf import app_settings
from quickscale_stripe.exceptions import PaymentsError
from quickscale_stripe.models import Charge, Dispute, Payment, Refund


class ChargeInline(ReadOnlyMixin, TabularInline):
    model = Charge
    fields: ClassVar[Any] = ["intent", "charge_id", "money"]
    extra = 0

    @admin.display(description=gettext_lazy("payment intent"))
    def intent(self, charge: Charge) -> str:
        livemode = charge.payment.livemode
        return stripe_link("payments", charge.payment_intent_id, livemode=livemode)

    @admin.display(description=gettext_lazy("amount"))
    def money(self, charge: Charge) -> str:
        return format_money(charge.amount, charge.payment.currency)


class RefundInline(ReadOnlyMixin, TabularInline):
    model = Refund
    fields: ClassVar[Any] = ["created_at", "stripe_id", "money", "status", "why", "credits"]
    extra = 0
    show_change_link = True
    money = staticmethod(money_column("amount", gettext_lazy("amount")))
    why = staticmethod(words("reason", gettext_lazy("reason")))
    credits = staticmethod(credits_column("credits_revoked", gettext_lazy("credits")))


class DisputeInline(ReadOnlyMixin, TabularInline):
    model = Dispute
    fields: ClassVar[Any] = [
        "created_at", "stripe_id", "money", "state", "why", "evidence_due_by", "is_withdrawn",
    ]  # fmt: skip
    extra = 0
    show_change_link = True
    money = staticmethod(money_column("amount", gettext_lazy("amount")))
    state = staticmethod(words("status", gettext_lazy("status")))
    why = staticmethod(words("reason", gettext_lazy("reason")))


def sync_payment(payment: Payment) -> None:
    """Read the payment's Checkout or invoice from Stripe again, and its refunds."""
    if payment.checkout_session_id:
        sessions.sync(payment.checkout_session_id)
    if payment.invoice_id:
        invoices.sync(payment.invoice_id)
    for charge in payment.charges.exclude(charge_id=""):
        money_back.sync_refunds_of(charge.charge_id)


@admin.register(Payment)
class PaymentAdmin(ReadOnlyAdmin):
    owner_prefix = "owner__"
    change_form_template = "admin/quickscale_stripe/payment.html"
    list_display = [
        "created_at", "owner", "description", "money", "refunded", "status", "receipt_number",
    ]  # fmt: skip
    list_filter = [
        "status", ("fulfilment_error", EmptyFieldListFilter), "kind", "currency", "livemode",
        "created_at",
    ]  # fmt: skip
    list_select_related = ["owner"]
    search_fields = [
        "=receipt_number", "=checkout_session_id", "=invoice_id",
        "=charges__payment_intent_id", "=charges__charge_id",
    ]  # fmt: skip
    ordering = ["-created_at", "-pk"]
    fields: ClassVar[Any] = [
        "owner", "description", "kind", "status", "billed", "money", "tax_amount", "refunded",
        "disputed", "brought_credits", "fulfilment_error", "failure_message", "next_attempt_at",
        "receipt_number",
        "price", "subscription", "checkout_session_id", "invoice", "receipt_url", "invoice_url",
        "livemode", "created_at", "paid_at", "fulfilled_at",
    ]  # fmt: skip
    inlines = [ChargeInline, RefundInline, DisputeInline]
    brought_credits = staticmethod(credits_column("credits", gettext_lazy("credits")))
    billed = staticmethod(money_column("total", gettext_lazy("total")))
    money = staticmethod(money_column("amount", gettext_lazy("amount")))
    tax_amount = staticmethod(money_column("tax", gettext_lazy("tax")))
    refunded = staticmethod(money_column("amount_refunded", gettext_lazy("refunded")))
    disputed = staticmethod(money_column("amount_disputed", gettext_lazy("withdrawn by disputes")))
    invoice = staticmethod(stripe_column("invoices", "invoice_id", gettext_lazy("invoice")))
    steps: ClassVar[list[Step]] = [Step("sync", gettext_lazy("Sync from Stripe"), sync_payment)]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows.select_related(
            "owner", "price__product", "subscription__owner", "subscription__price__product"
        )

    def has_refund_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(f"{self.opts.app_label}.refund_payment")

    def own_urls(self) -> list[URLPattern]:
        return [
            self.url("<path:object_id>/refund/", self.refund_view, "refund"),
            *super().own_urls(),
        ]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        payment = self.get_object(request, object_id)
        context = dict(extra_context or {})
        if payment and self.has_refund_permission(request) and payment.amount_left:
            context["refund_url"] = self.page_url("refund", payment.pk)
        return super().change_view(request, object_id, form_url, context)

    def refund_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask how much and why, then show the effect, then make the refund."""
        payment = self.get_object(request, object_id)
        if payment is None:
            raise Http404
        if not (self.has_view_permission(request) and self.has_refund_permission(request)):
            raise PermissionDenied
        form = RefundForm(
            request.POST or None,
            payment=payment,
            initial={"reference": uuid.uuid4(), "left": payment.amount_left},
        )
        effect = None
        if form.is_valid():
            # Only the amount that was shown is refunded; a new amount is shown first.
            was_shown = request.POST.get("start") == str(form.cleaned_data["unit_amount"])
            if was_shown and self._refund(request, payment, form):
                return self.to_page("change", payment.pk)
            effect = self._effect(payment, form)
        return self.page(
            request,
            "admin/quickscale_stripe/refund.html",
            title=_("Refund"),
            original=payment,
            form=form,
            effect=effect,
        )

    def _effect(self, payment: Payment, form: RefundForm) -> dict[str, Any]:
        amount = form.cleaned_data["unit_amount"]
        balance = app_settings.fulfilment.balance(owner=payment.owner) if payment.owner else None
        return {
            "unit_amount": amount,
            "amount": format_money(amount, payment.currency),
            "left": format_money(payment.amount_left - amount, payment.currency),
            "credits": format_credits(returns.credits_for(payment=payment, amount=amount)),
            "balance": None if balance is None else format_credits(balance),
        }

    def _refund(self, request: HttpRequest, payment: Payment, form: RefundForm) -> bool:
        data = form.cleaned_data
        try:
            made = refunds.refund(
                payment=payment,
                reference=str(data["reference"]),
                amount=data["unit_amount"],
                reason=data["reason"],
                actor=request.user,
            )
        except PaymentsError as error:
            form.add_error(None, str(error))
            return False
        amount = format_money(sum(row.amount for row in made), payment.currency)
        text = _("Refunded %(amount)s (%(refund)s): %(reason)s")
        ids = ", ".join(row.stripe_id for row in made)
        facts = {"amount": amount, "refund": ids, "reason": data["reason"] or "-"}
        self.log_change(request, payment, text % facts)
        text = _("%(amount)s goes back, and %(credits)s credits are taken back.")
        taken = sum((row.credits_revoked for row in made), Decimal(0))
        facts = {"amount": amount, "credits": format_credits(taken)}
        messages.success(request, text % facts)
        return True


def sync_refund(refund: Refund) -> None:
    money_back.sync_refund(refund.stripe_id)


@admin.register(Refund)
class RefundAdmin(ReadOnlyAdmin):
    owner_prefix = "payment__owner__"
    list_display = ["created_at", "owner", "payment", "money", "status", "why", "stripe_id"]
    list_filter = ["status", ("reason", WordsFilter), "created_at"]
    list_select_related = ["payment__owner"]
    search_fields = ["=stripe_id", "=payment__receipt_number"]
    ordering = ["-created_at", "-pk"]
    fields: ClassVar[Any] = [
        "payment", "stripe_id", "money", "status", "why", "why_not", "credits", "created_at",
        "synced_at",
    ]  # fmt: skip
    why = staticmethod(words("reason", gettext_lazy("reason")))
    why_not = staticmethod(words("failure_reason", gettext_lazy("reason for the failure")))
    money = staticmethod(money_column("amount", gettext_lazy("amount")))
    steps: ClassVar[list[Step]] = [Step("sync", gettext_lazy("Sync from Stripe"), sync_refund)]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows.select_related("payment__owner")

    @admin.display(description=gettext_lazy("owner"))
    def owner(self, refund: Refund) -> Any:
        return refund.payment.owner

    credits = staticmethod(credits_column("credits_revoked", gettext_lazy("credits revoked")))


def sync_dispute(dispute: Dispute) -> None:
    money_back.sync_dispute(dispute.stripe_id)


@admin.register(Dispute)
class DisputeAdmin(ReadOnlyAdmin):
    owner_prefix = "payment__owner__"
    list_display = [
        "created_at", "owner", "payment", "money", "state", "why", "evidence_due_by",
        "is_withdrawn",
    ]  # fmt: skip
    list_filter = [("status", WordsFilter), "is_withdrawn", "created_at"]
    list_select_related = ["payment__owner"]
    search_fields = ["=stripe_id", "=payment__receipt_number"]
    ordering = ["-created_at", "-pk"]
    fields: ClassVar[Any] = [
        "payment", "at_stripe", "money", "state", "why", "evidence_due_by", "is_withdrawn",
        "credits", "created_at", "synced_at",
    ]  # fmt: skip
    state = staticmethod(words("status", gettext_lazy("status")))
    why = staticmethod(words("reason", gettext_lazy("reason")))
    money = staticmethod(money_column("amount", gettext_lazy("amount")))
    at_stripe = staticmethod(stripe_column("disputes", "stripe_id", gettext_lazy("Stripe ID")))
    steps: ClassVar[list[Step]] = [Step("sync", gettext_lazy("Sync from Stripe"), sync_dispute)]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows.select_related("payment__owner")

    @admin.display(description=gettext_lazy("owner"))
    def owner(self, dispute: Dispute) -> Any:
        return dispute.payment.owner

    credits = staticmethod(credits_column("credits_revoked", gettext_lazy("credits revoked")))
