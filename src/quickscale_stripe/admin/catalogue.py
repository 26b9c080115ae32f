"""Products and prices: made, edited, ordered and archived at Stripe, and mirrored from there.

The forms publish and never save: what is here is Stripe's answer.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Prefetch, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from quickscale_stripe import catalogue, publishing
from quickscale_stripe.admin.base import (
    ReadOnlyMixin,
    StepsAdmin,
    TabularInline,
    stripe_column,
)
from quickscale_stripe.admin.forms import PriceForm, ProductForm
from quickscale_stripe.admin.jobs import Step
from quickscale_stripe.admin.links import stripe_url
from quickscale_stripe.conf import app_settings
from quickscale_stripe.exceptions import EditedMeanwhileError, PaymentsError
from quickscale_stripe.models import StripePrice, StripeProduct, Subscription
from quickscale_stripe.money import format_money
from quickscale_stripe.publishing import PriceFields, ProductFields
from quickscale_stripe.terms import credit_terms, price_terms

Form: TypeAlias = ProductForm | PriceForm


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
    if catalogue.sync_with_prices(product.stripe_id) is None:
        raise PaymentsError(_("Stripe doesn't have it; it is inactive here now."))


def sync_price(price: StripePrice) -> None:
    if catalogue.sync_price(price.stripe_id) is None:
        raise PaymentsError(_("Stripe doesn't have it; it is inactive here now."))


def find_product(stripe_id: str) -> StripeProduct:
    """The product of that id, which may be one that only Stripe has yet."""
    known = StripeProduct.objects.filter(stripe_id=stripe_id).first()
    return known or StripeProduct(stripe_id=stripe_id, name=stripe_id)


@dataclass(frozen=True)
class Place:
    """A row, and the display order that it is to get; its key is ``product_12_3``."""

    row: Any
    display_order: int

    def __str__(self) -> str:
        return str(self.row)


def find_place(key: str) -> Place | None:
    kind, pk, display_order = key.split("_")
    model: Any = {"product": StripeProduct, "price": StripePrice}[kind]
    row = model.objects.filter(pk=pk).first()
    return Place(row, int(display_order)) if row else None


def put(place: Place) -> None:
    publishing.set_display_order(row=place.row, display_order=place.display_order)


def _told(form: Form, name: str, value: Any, there: Any) -> str:
    """A field as people read it."""
    if name == "unit_amount":
        name = "amount"
        value = None if value is None else format_money(value, there.currency)
    shown = ", ".join(value) if isinstance(value, tuple) else value
    return f"{form.fields[name].label}: {_('nothing') if shown in ('', None) else shown}"


class PublishAdmin(StepsAdmin):
    """Add and change pages that publish; who may only view sees Django's own page."""

    def has_manage_permission(self, request: HttpRequest) -> bool:
        return self.has_change_permission(request)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        return self._edit(request, None)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        if row is None or not self.has_change_permission(request, row):
            return super().change_view(request, object_id, form_url, extra_context)
        return self._edit(request, row)

    def _edit(self, request: HttpRequest, row: Any) -> HttpResponse:
        form = self._form(request.POST or None, row, request)
        if form.is_valid() and (done := self._publish(request, form, row)):
            return done
        title = _("Change %s") if row else _("Add %s")
        return self._page(
            request,
            "edit",
            title=title % self.opts.verbose_name,
            form=form,
            original=row,
            steps=self.steps_of(request, row) if row else [],
            **(self.shown_with(request, row) if row else {}),
        )

    def _publish(self, request: HttpRequest, form: Form, row: Any) -> HttpResponse | None:
        """What was published; ``None`` when the form says why it couldn't be."""
        try:
            made = self.publish(form, row)
        except EditedMeanwhileError:
            row.refresh_from_db()
            self._tell_what_changed(form, row)
            return None
        except PaymentsError as error:
            form.add_error(None, str(error))
            return None
        log = self.log_change if row else self.log_addition
        log(request, made, _("Published: %s") % ", ".join(form.changed_data))
        if row and row != made:
            text = _("Stripe archived %(old)s, and %(new)s takes its place.")
            names = {"old": row.stripe_id, "new": made.stripe_id}
            self.log_change(request, row, text % names)
            messages.success(request, text % names)
        else:
            messages.success(request, _("Stripe has “%s” now.") % made)
        return HttpResponseRedirect(self._url_of(made))

    def _tell_what_changed(self, form: Form, row: Any) -> None:
        """Say what Stripe has; the form sent again overwrites it."""
        there: Any = self.fields_of(row)
        told = "; ".join(
            _told(form, name, value, there)
            for name, (value, _here) in there.differences(form.edited).items()
        )
        form.add_error(
            None,
            _(
                "It was changed at Stripe meanwhile. Stripe has, other than this form: %s. Save "
                "again to overwrite that."
            )
            % told,
        )
        data: Any = form.data
        form.data = {**data.dict(), "seen": there.fingerprint}

    def fields_of(self, row: Any) -> ProductFields | PriceFields:
        raise NotImplementedError

    def publish(self, form: Any, row: Any) -> Any:
        raise NotImplementedError

    def shown_with(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        raise NotImplementedError

    def _form(self, data: Any, row: Any, request: HttpRequest) -> Form:
        raise NotImplementedError


class TermsMixin:
    @admin.display(description=gettext_lazy("amount"), ordering="unit_amount")
    def terms(self, price: StripePrice) -> str:
        return price_terms(price)

    @admin.display(description=gettext_lazy("credits"), ordering="credits")
    def credit_amount(self, price: StripePrice) -> str:
        return credit_terms(price)


class PriceInline(TermsMixin, ReadOnlyMixin, TabularInline):
    """For who may only view."""

    model = StripePrice
    fields: ClassVar[Any] = [
        "stripe_id", "nickname", "terms", "credit_amount", "active", "display_order",
    ]  # fmt: skip
    readonly_fields: ClassVar[Any] = ["terms", "credit_amount"]
    extra = 0

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows.select_related("product")


@admin.register(StripeProduct)
class StripeProductAdmin(PublishAdmin):
    change_list_template = "admin/quickscale_stripe/catalogue_list.html"
    list_display = ["name", "stripe_id", "prices_on_sale", "display_order", "active", "synced_at"]
    list_filter = ["active", "livemode"]
    search_fields = ["name", "=stripe_id"]
    ordering = ["display_order", "name", "pk"]
    inlines = [PriceInline]
    steps: ClassVar[list[Step]] = [
        Step("sync", gettext_lazy("Sync from Stripe"), sync_product),
        *archiving(gettext_lazy("It is no longer sold. Subscriptions to its prices go on.")),
        Step(
            "sync-all",
            gettext_lazy("Sync the whole catalogue from Stripe"),
            sync_product,
            find=find_product,
            is_action=False,
        ),
        Step("order", gettext_lazy("Order"), put, find=find_place, is_action=False),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        products: QuerySet[Any] = super().get_queryset(request)
        rows: QuerySet[Any] = products.annotate(
            on_sale=Count("prices", filter=Q(prices__active=True))
        )
        return rows

    @admin.display(description=gettext_lazy("prices on sale"), ordering="on_sale")
    def prices_on_sale(self, product: Any) -> int:
        count: int = product.on_sale
        return count

    def own_urls(self) -> list[URLPattern]:
        return [
            self.url("sync-all/", self.sync_all_view, "sync_all"),
            self.url("order/", self.order_view, "order"),
            *super().own_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        context = {"may_manage": self.has_manage_permission(request), **(extra_context or {})}
        return super().changelist_view(request, context)

    def sync_all_view(self, request: HttpRequest) -> HttpResponse:
        step = self._step(request, "sync-all")
        if request.method != "POST":
            return self._to_list()
        try:
            ids = catalogue.product_ids()
        except PaymentsError as error:
            messages.error(request, _("Stripe is out of reach: %s") % error)
            return self._to_list()
        return self.begin(request, step, ids)

    def order_view(self, request: HttpRequest) -> HttpResponse:
        """All that is on sale, each with its number; POST writes those that were changed."""
        step = self._step(request, "order")
        on_sale = StripePrice.objects.filter(active=True).order_by("display_order", "pk")
        products = StripeProduct.objects.filter(
            active=True, livemode=app_settings.live_mode
        ).prefetch_related(Prefetch("prices", on_sale))
        rows: list[Any] = []
        for product in products:
            rows += [product, *product.prices.all()]
        places: list[dict[str, Any]] = []
        wrong = []
        for row in rows:
            kind = "product" if isinstance(row, StripeProduct) else "price"
            name = f"{kind}_{row.pk}"
            sent = request.POST.get(name, str(row.display_order)).strip()
            if not (sent.removeprefix("-").isdecimal() and abs(int(sent)) < 2**31):
                wrong.append(str(row))
                sent = str(row.display_order)
            places.append({"row": row, "name": name, "number": int(sent), "kind": kind})
        if request.method == "POST" and not wrong:
            changed = [
                f"{place['name']}_{place['number']}"
                for place in places
                if place["number"] != place["row"].display_order
            ]
            return self.begin(request, step, changed)
        return self._page(request, "order", title=_("Order"), places=places, wrong=wrong)

    def log_step(self, request: HttpRequest, row: Any, step: Step) -> None:
        row = row.row if isinstance(row, Place) else row
        if row.pk:
            super().log_step(request, row, step)

    def fields_of(self, row: StripeProduct) -> ProductFields:
        return ProductFields.of(row)

    def publish(self, form: ProductForm, row: StripeProduct | None) -> StripeProduct:
        reference = str(form.cleaned_data["reference"])
        if row is None:
            return publishing.create_product(fields=form.edited, reference=reference)
        return publishing.update_product(
            product=row, fields=form.edited, seen=form.cleaned_data["seen"]
        )

    def _form(self, data: Any, row: StripeProduct | None, request: HttpRequest) -> ProductForm:
        initial: dict[str, Any] = {"reference": uuid.uuid4()}
        if row:
            fields = ProductFields.of(row)
            initial |= {**vars(fields), "seen": fields.fingerprint}
        return ProductForm(data, initial=initial)

    def shown_with(self, request: HttpRequest, row: StripeProduct) -> dict[str, Any]:
        add = reverse("admin:quickscale_stripe_stripeprice_add")
        prices = row.prices.order_by("-active", "display_order", "pk")
        return {
            "prices": list(prices[:100]),
            "add_price_url": f"{add}?product={row.pk}",
            "stripe_url": stripe_url("products", row.stripe_id, livemode=row.livemode),
        }


@admin.register(StripePrice)
class StripePriceAdmin(TermsMixin, PublishAdmin):
    list_display = [
        "__str__", "terms", "credit_amount", "display_order", "active", "lookup_key",
    ]  # fmt: skip
    list_filter = ["active", "currency", "interval", "livemode"]
    list_select_related = ["product"]
    search_fields = ["=stripe_id", "nickname", "=lookup_key", "product__name"]
    ordering = ["product__display_order", "product__name", "display_order", "pk"]
    fields: ClassVar[Any] = [
        "product", "at_stripe", "nickname", "lookup_key", "terms", "credit_amount",
        "display_order", "active", "livemode", "synced_at",
    ]  # fmt: skip
    readonly_fields: ClassVar[Any] = fields
    at_stripe = staticmethod(stripe_column("prices", "stripe_id", gettext_lazy("Stripe ID")))
    steps: ClassVar[list[Step]] = [
        Step("sync", gettext_lazy("Sync from Stripe"), sync_price),
        *archiving(gettext_lazy("It is no longer sold. Subscriptions to it go on.")),
    ]

    def fields_of(self, row: StripePrice) -> PriceFields:
        return PriceFields.of(row)

    def publish(self, form: PriceForm, row: StripePrice | None) -> StripePrice:
        reference = str(form.cleaned_data["reference"])
        if row is None:
            return publishing.create_price(
                product=form.cleaned_data["product"], fields=form.edited, reference=reference
            )
        return publishing.update_price(
            price=row, fields=form.edited, reference=reference, seen=form.cleaned_data["seen"]
        )

    def _form(self, data: Any, row: StripePrice | None, request: HttpRequest) -> PriceForm:
        initial: dict[str, Any] = {"reference": uuid.uuid4()}
        if row:
            fields = PriceFields.of(row)
            initial |= {**PriceForm.values_of(fields), "seen": fields.fingerprint}
        else:
            initial["product"] = request.GET.get("product")
        return PriceForm(data, initial=initial, price=row)

    def shown_with(self, request: HttpRequest, row: StripePrice) -> dict[str, Any]:
        return {
            "is_price": True,
            "subscribed": Subscription.objects.filter(price=row).live().count(),
            "stripe_url": stripe_url("prices", row.stripe_id, livemode=row.livemode),
        }
