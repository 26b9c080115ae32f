"""The admin of accounts, which are never edited; all writes go through the ledger."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.options import IS_POPUP_VAR
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet, Sum
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from quickscale.admin.base import ModelAdmin
from quickscale.admin.columns import RoomMixin, credits_column, moment
from quickscale.admin.jobs import Job, JobsMixin
from quickscale.formats import format_credits
from quickscale_credits import ledger
from quickscale_credits.admin.base import CsvExportMixin, OwnerSearchMixin
from quickscale_credits.admin.bulk import AT_ONCE, grant_to, keep_grant
from quickscale_credits.admin.columns import ReadableMixin
from quickscale_credits.admin.forms import GrantForm, ImportForm, OpenAccountForm, ReasonForm
from quickscale_credits.admin.tasks import (
    ACCOUNT_TASKS,
    TaskForm,
    TasksMixin,
)
from quickscale_credits.exceptions import CreditsError
from quickscale_credits.internal.balances import balance_overview, recent_activity
from quickscale_credits.internal.imports import BadFileError, import_credits
from quickscale_credits.models import (
    AccountChange,
    CreditAccount,
    CreditLot,
    CreditTransaction,
)

BULK = "add-credits"


@admin.register(CreditAccount)
class CreditAccountAdmin(
    CsvExportMixin, OwnerSearchMixin, TasksMixin, JobsMixin, RoomMixin, ModelAdmin
):
    """Show balances by type, and add and remove credits with a reason."""

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
            return _("Looked up: the owner already had an account.")
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
        """Allow an account without a history to be deleted with its owner, which asks here."""
        is_empty = isinstance(obj, CreditAccount) and not obj.has_history()
        return is_empty and super().has_delete_permission(request, obj)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if not change:
            return  # the form has already opened it
        ledger.set_low_balance(account=obj, threshold=obj.low_balance_threshold, actor=request.user)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Return the list with the balances of its accounts, read by a single query."""
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
        """Run a write; return where to go next, or ``None`` if the form has an error."""
        try:
            entry = write()
        except CreditsError as error:
            form.add_error(None, str(error))
            return None
        self.log_change(request, account, f"{entry.amount}: {entry.description}")
        text = _("%(amount)s credits: the balance is now %(balance)s.")
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
        """Ask which credits the selected accounts should get, and show which would be refused."""
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

    @admin.action(
        description=gettext_lazy("Freeze, so credits can't be used …"), permissions=["change"]
    )
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
        """Ask for a reason, then change each account."""
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


@admin.register(AccountChange)
class AccountChangeAdmin(CsvExportMixin, OwnerSearchMixin, ReadableMixin, ModelAdmin):
    """Show changes of accounts, with who made them and why."""

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
