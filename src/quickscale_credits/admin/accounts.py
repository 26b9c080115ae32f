"""The ledger in Django's admin: looked at, never edited; writes go through the ledger."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.options import IS_POPUP_VAR
from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models import Avg, Count, DecimalField, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce, Round, TruncDate
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from quickscale.admin import search
from quickscale.admin.base import ModelAdmin, TabularInline
from quickscale.admin.columns import RoomMixin, credits_column, moment, readable
from quickscale.admin.jobs import Job, JobsMixin
from quickscale.admin.pages import PagesMixin
from quickscale.formats import format_credits, format_moment, format_number
from quickscale_credits import ledger
from quickscale_credits.admin.bulk import AT_ONCE, grant_to, keep_grant
from quickscale_credits.admin.columns import ReadableMixin
from quickscale_credits.admin.forms import GrantForm, ImportForm, OpenAccountForm, ReasonForm
from quickscale_credits.admin.tasks import (
    ACCOUNT_TASKS,
    HOLD_TASKS,
    LOT_TASKS,
    TRANSACTION_TASKS,
    TaskForm,
    TasksMixin,
)
from quickscale_credits.exceptions import CreditsError
from quickscale_credits.internal import outbox
from quickscale_credits.internal.balances import balance_overview, recent_activity
from quickscale_credits.internal.imports import BadFileError, import_credits
from quickscale_credits.models import (
    AccountChange,
    CreditAccount,
    CreditAllocation,
    CreditEvent,
    CreditHold,
    CreditLot,
    CreditTransaction,
    Service,
    ServicePrice,
    ServiceUsage,
)
from quickscale_credits.pages.csv_export import csv_response, safe_text
from quickscale_credits.pages.paging import Keyset
from quickscale_credits.pricing import price_list

ANALYSED = timedelta(days=30)
EXPORT_AT_ONCE = 2000
BULK = "add-credits"
STATUSES = {
    "coming": gettext_lazy("to come"),
    "in force": gettext_lazy("in force"),
    "past": gettext_lazy("past"),
}


class OwnerSearchMixin(search.OwnerSearchMixin):
    owner_prefix = "account__owner__"


class CsvExportMixin:
    """The action "Download as CSV": the columns ``export_fields`` of what is selected."""

    export_fields: tuple[str, ...]
    actions: Any = ["download_csv"]

    @admin.action(description=gettext_lazy("Download as CSV"), permissions=["view"])
    def download_csv(
        self, request: HttpRequest, queryset: QuerySet[models.Model]
    ) -> HttpResponseBase:
        meta = queryset.model._meta
        return csv_response(request, f"{meta.model_name}.csv", self._rows(queryset))

    def _rows(self, queryset: QuerySet[models.Model]) -> Iterator[list[Any]]:
        yield list(self.export_fields)
        rows = Keyset(queryset, field="pk", tie="pk", descending=False, size=EXPORT_AT_ONCE)
        for row in rows:
            yield [self._cell(row, name) for name in self.export_fields]

    def _cell(self, row: models.Model, name: str) -> Any:
        value = getattr(row, name)
        return value if isinstance(value, Decimal | int) else safe_text(str(value or ""))


@admin.register(CreditAccount)
class CreditAccountAdmin(
    CsvExportMixin, OwnerSearchMixin, TasksMixin, JobsMixin, RoomMixin, ModelAdmin
):
    """Balances by type; credits are added and removed with a reason."""

    owner_prefix = "owner__"
    tasks = ACCOUNT_TASKS
    add_form_template = "admin/change_form.html"
    change_form_template = "admin/quickscale_credits/creditaccount/change_form.html"
    list_display = ["owner", "status", "available", "on_hold", "subscription", "payg", "others"]
    list_filter = ["status"]
    list_select_related = ["owner"]
    show_full_result_count = False
    ordering = ["-pk"]
    fields = [
        "owner",
        "status",
        "low_balance_threshold",
        "overdraft",
        "created",
        "changed",
    ]
    readonly_fields = ["owner", "status", "overdraft", "created", "changed"]
    actions = ["add_to_selected", "freeze", "unfreeze", "download_csv"]
    export_fields = ("pk", "owner", "status", "posted", "held", "created_at")
    on_hold = staticmethod(credits_column("held", gettext_lazy("on hold")))
    overdraft = staticmethod(credits_column("overdraft_limit", gettext_lazy("overdraft limit")))
    created = staticmethod(moment("created_at", gettext_lazy("created")))
    changed = staticmethod(moment("updated_at", gettext_lazy("changed")))

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        if not change:
            kwargs |= {"form": OpenAccountForm, "fields": None}
        return super().get_form(request, obj, change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return super().get_fieldsets(request, obj) if obj else [(None, {"fields": ["owner"]})]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return super().get_readonly_fields(request, obj) if obj else []

    def get_inlines(self, request: HttpRequest, obj: Any = None) -> Any:
        return super().get_inlines(request, obj) if obj else []

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> Any:
        if add and not form.has_opened:
            return _("Looked up: the owner had an account.")
        return super().construct_change_message(request, form, formsets, add)

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        goes_elsewhere = {IS_POPUP_VAR, "_addanother"} & set(request.POST)
        if goes_elsewhere or not self.has_change_permission(request, obj):
            return super().response_add(request, obj, post_url_continue)
        messages.success(request, _("This is the account of %s. Add credits here.") % obj)
        return HttpResponseRedirect(
            reverse(
                "admin:quickscale_credits_creditaccount_change",
                args=[obj.pk],
                current_app=self.admin_site.name,
            )
        )

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """An account without a history is deleted with its owner; the admin asks here."""
        is_empty = isinstance(obj, CreditAccount) and not obj.has_history()
        return is_empty and super().has_delete_permission(request, obj)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if not change:
            return  # the form has opened it
        ledger.set_low_balance(account=obj, threshold=obj.low_balance_threshold, actor=request.user)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The list, with the balances of its accounts: one query for all of them."""
        changelist = super().get_changelist_instance(request)
        accounts = {account.pk: account for account in changelist.result_list}
        for account in accounts.values():
            account.credits = {"available": Decimal(0)}
        totals = (
            CreditLot.objects.filter(account__in=accounts)
            .live()
            .order_by()
            .values_list("account", "credit_type")
            .annotate(total=Sum("live_remaining"), held=Sum("live_held"))
        )
        for key, type_, total, held in totals:
            balances = accounts[key].credits
            balances[type_] = total
            balances["available"] += total - held
        return changelist

    @admin.display(description=gettext_lazy("available"), ordering="posted")
    def available(self, account: Any) -> str:
        return format_credits(account.credits["available"])

    @admin.display(description=gettext_lazy("subscription"))
    def subscription(self, account: Any) -> str:
        return format_credits(account.credits.get("subscription", 0))

    @admin.display(description=gettext_lazy("pay as you go"))
    def payg(self, account: Any) -> str:
        return format_credits(account.credits.get("payg", 0))

    @admin.display(description=gettext_lazy("other types"))
    def others(self, account: Any) -> str:
        shown = ("available", "subscription", "payg")
        rest = (value for type_, value in account.credits.items() if type_ not in shown)
        return format_credits(sum(rest, Decimal(0)))

    def get_urls(self) -> list[URLPattern]:
        row = "<path:object_id>"
        return [
            self.url("import/", self.import_view, "import"),
            self.url("bulk/<uuid:job>/", self.bulk_view, "bulk"),
            self.url("bulk/<uuid:job>/run/", self.bulk_run_view, "bulk_run"),
            self.url(f"{row}/add-credits/", self.add_view_credits, "add_credits"),
            self.url(f"{row}/remove-credits/", self.remove_view_credits, "remove_credits"),
            *super().get_urls(),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {"may_import": self.has_change_permission(request), **(extra_context or {})}
        return super().changelist_view(request, context)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        account = self.get_object(request, object_id)
        context = dict(extra_context or {})
        if account is not None:
            context["overview"] = balance_overview(account)
            context["recent"] = recent_activity(account)
        return super().change_view(request, object_id, form_url, context)

    def add_view_credits(self, request: HttpRequest, object_id: str) -> HttpResponse:
        account = self._account(request, object_id)
        form = GrantForm(request.POST or None, initial={"key": uuid.uuid4()})
        if form.is_valid():

            def write() -> CreditTransaction:
                key = f"admin:{form.cleaned_data['key']}"
                return account.add_credits(**form.grant, idempotency_key=key, actor=request.user)

            if done := self._write(request, account, form, write):
                return done
        return self._form(request, form, account, _("Add credits to %s") % account)

    def remove_view_credits(self, request: HttpRequest, object_id: str) -> HttpResponse:
        account = self._account(request, object_id)
        form = ReasonForm(request.POST or None, initial={"key": uuid.uuid4()})
        if form.is_valid():

            def write() -> CreditTransaction:
                data = form.cleaned_data
                key = f"admin:{data['key']}"
                return account.remove_credits(
                    data["amount"], data["description"], idempotency_key=key, actor=request.user
                )

            if done := self._write(request, account, form, write):
                return done
        return self._form(request, form, account, _("Remove credits from %s") % account)

    def _account(self, request: HttpRequest, object_id: str) -> CreditAccount:
        if not self.has_change_permission(request):
            raise PermissionDenied
        return get_object_or_404(CreditAccount, pk=object_id)

    def _write(
        self,
        request: HttpRequest,
        account: CreditAccount,
        form: ReasonForm,
        write: Callable[[], CreditTransaction],
    ) -> HttpResponse | None:
        """Run a write; where to go after it, or ``None`` when the form says why not."""
        try:
            entry = write()
        except CreditsError as error:
            form.add_error(None, str(error))
            return None
        self.log_change(request, account, f"{entry.amount}: {entry.description}")
        text = _("%(amount)s credits: the balance is %(balance)s now.")
        amounts = {
            "amount": format_credits(entry.amount, signed=True),
            "balance": format_credits(entry.balance_after),
        }
        messages.success(request, text % amounts)
        return self.to_page("change", account.pk)

    def _form(
        self,
        request: HttpRequest,
        form: Any,
        account: CreditAccount | None,
        title: str,
        **more: Any,
    ) -> HttpResponse:
        template = "admin/quickscale_credits/form.html"
        return self.page(request, template, title=title, original=account, form=form, **more)

    @admin.action(description=gettext_lazy("Add credits …"), permissions=["change"])
    def add_to_selected(
        self, request: HttpRequest, queryset: QuerySet[CreditAccount]
    ) -> HttpResponse:
        job = Job.begin(request.session, BULK, queryset.values_list("pk", flat=True))
        return self.to_page("bulk", job.id)

    def bulk_view(self, request: HttpRequest, job: uuid.UUID) -> HttpResponse:
        """Ask which credits the selected accounts get, and show who would be refused."""
        begun = self._job(request, job)
        if begun is None:
            return self.without_job(request)
        form = GrantForm(request.POST or None, initial={"key": begun.id})
        refused = None
        if form.is_valid():
            keep_grant(begun, form.grant)
            if "start" in request.POST:
                begun.save(request.session)
                return self.to_page("bulk_run", begun.id)
            refused = grant_to(begun.keys, begun, actor=request.user, dry_run=True)
        count = len(begun.keys)
        title = ngettext("Add credits to %d account", "Add credits to %d accounts", count) % count
        return self._form(
            request,
            form,
            None,
            title,
            is_bulk=True,
            preview=refused is not None,
            refused=refused,
            granted=count - len(refused or []),
        )

    def bulk_run_view(self, request: HttpRequest, job: uuid.UUID) -> HttpResponse:
        begun = self._job(request, job)
        if begun is None:
            return self.without_job(request)
        if not begun.data:
            return self.to_page("bulk", begun.id)

        def run(keys: list[str]) -> int:
            for account, reason in grant_to(keys, begun, actor=request.user):
                messages.warning(request, f"{account}: {reason}")
            return len(keys)

        return self.job_page(request, begun, run, title=_("Adding credits"), at_once=AT_ONCE)

    def _job(self, request: HttpRequest, job: uuid.UUID) -> Job | None:
        if not self.has_change_permission(request):
            raise PermissionDenied
        return Job.load(request.session, BULK, job)

    def import_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_change_permission(request):
            raise PermissionDenied
        form = ImportForm(request.POST or None, request.FILES or None)
        result = None
        if request.method == "POST" and form.is_valid():
            content = form.cleaned_data["content"]
            dry_run = "start" not in request.POST
            try:
                result = import_credits(content, actor=request.user, dry_run=dry_run)
            except BadFileError as error:
                form.add_error("file", str(error))
            else:
                if not dry_run and not result.problems:
                    text = _("%(credits)s credits were added to %(accounts)s accounts.")
                    figures = {
                        "credits": format_credits(result.credits),
                        "accounts": len(result.accounts),
                    }
                    messages.success(request, text % figures)
                    return self.to_page("changelist")
                form = ImportForm(initial={"content": content})
        return self._form(request, form, None, _("Import credits"), is_import=True, result=result)

    @admin.action(description=gettext_lazy("Freeze: no uses …"), permissions=["change"])
    def freeze(
        self, request: HttpRequest, queryset: QuerySet[CreditAccount]
    ) -> HttpResponse | None:
        return self._each(request, queryset, "freeze", gettext_lazy("Freeze"), ledger.freeze)

    @admin.action(description=gettext_lazy("Unfreeze …"), permissions=["change"])
    def unfreeze(
        self, request: HttpRequest, queryset: QuerySet[CreditAccount]
    ) -> HttpResponse | None:
        return self._each(request, queryset, "unfreeze", gettext_lazy("Unfreeze"), ledger.unfreeze)

    def _each(
        self,
        request: HttpRequest,
        queryset: QuerySet[CreditAccount],
        action: str,
        title: Any,
        change: Callable[..., CreditAccount],
    ) -> HttpResponse | None:
        """Ask why, then change each of the accounts."""
        form = TaskForm(
            request.POST if "confirm" in request.POST else None, initial={"key": uuid.uuid4()}
        )
        selected = list(queryset.select_related("owner").order_by("pk"))
        if not form.is_valid():
            return self.page(
                request,
                "admin/quickscale_credits/task.html",
                title=title,
                form=form,
                action=action,
                selected=selected,
            )
        reason, changed = form.cleaned_data["reason"], 0
        for account in selected:
            try:
                change(account=account, actor=request.user, reason=reason)
            except CreditsError as error:
                messages.warning(request, f"{account}: {error}")
            else:
                self.log_change(request, account, f"{account.get_status_display()}: {reason}")
                changed += 1
        text = ngettext("%d account was changed.", "%d accounts were changed.", changed)
        messages.success(request, text % changed)
        return None


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


class NewPriceInline(TabularInline):
    """A price that follows the one in force; what is stored stays as it is."""

    model = ServicePrice
    verbose_name_plural = gettext_lazy("new prices")
    fields = ["meter", "dimension", "unit_price", "per", "effective_at"]
    extra = 0
    can_delete = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).none()


@admin.register(ServicePrice)
class ServicePriceAdmin(CsvExportMixin, RoomMixin, ModelAdmin):
    """The price lists of all services, and their history. Only a price to come can be deleted."""

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


@admin.register(AccountChange)
class AccountChangeAdmin(CsvExportMixin, OwnerSearchMixin, ReadableMixin, ModelAdmin):
    """What accounts may do: who changed it, and why."""

    list_display = ["created_at", "account", "kind", "before", "after", "actor", "reason"]
    list_filter = ["kind", "created_at"]
    list_select_related = ["account__owner", "actor"]
    ordering = ["-pk"]
    show_full_result_count = False
    export_fields = ("pk", "account", "kind", "old", "new", "actor", "reason", "created_at")

    @admin.display(description=gettext_lazy("before"))
    def before(self, change: AccountChange) -> str:
        return change.readable(change.old)

    @admin.display(description=gettext_lazy("after"))
    def after(self, change: AccountChange) -> str:
        return change.readable(change.new)


@admin.register(Service)
class ServiceAdmin(CsvExportMixin, PagesMixin, RoomMixin, ModelAdmin):
    """Services and how much they were used in the last 30 days."""

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
        """What was used stays in the history; switch a service off instead."""
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
