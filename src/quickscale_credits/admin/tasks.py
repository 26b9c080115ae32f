"""Support tasks in Django's admin: each asks for a reason and shows its effect before it runs."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from quickscale.admin.pages import PagesMixin
from quickscale.formats import format_credits, in_credits
from quickscale.forms import OwnerField
from quickscale_credits import ledger
from quickscale_credits.conf import SHORTFALL_POLICIES, app_settings
from quickscale_credits.exceptions import CreditsError
from quickscale_credits.internal.databases import database_of, write_atomic
from quickscale_credits.models import CreditAccount, CreditHold, CreditLot, CreditTransaction

PERMISSION = "quickscale_credits.change_creditaccount"
POLICIES = {
    "write_off": _("Write it off until it comes back"),
    "freeze": _("Freeze the account"),
    "overdraft": _("Take it from the overdraft"),
}


def credits_field(label: Any, **options: Any) -> forms.DecimalField:
    return forms.DecimalField(
        label=label,
        max_digits=19,
        decimal_places=4,
        min_value=options.pop("min_value", Decimal("0.0001")),
        **options,
    )


class TaskForm(forms.Form):
    """Ask why the task is done."""

    reason = forms.CharField(label=_("Reason"), max_length=500)
    # A form that is sent twice counts once.
    key = forms.UUIDField(widget=forms.HiddenInput)
    field_order = ["to", "limit", "amount", "policy", "reason", "key"]

    @property
    def accounts(self) -> list[CreditAccount]:
        """The accounts that take part besides the row's own."""
        return []

    @property
    def idempotency_key(self) -> str:
        return f"admin:{self.cleaned_data['key']}"

    @property
    def shown(self) -> list[tuple[str, str]]:
        """The labels and values of what was filled in."""
        rows = []
        for field in self.visible_fields():
            value = self.cleaned_data[field.name]
            if isinstance(value, Decimal):
                value = in_credits(value)
            elif isinstance(field.field, forms.ChoiceField):
                value = POLICIES[value]
            rows.append((str(field.label), str(value or _("all that is left"))))
        return rows


class AmountForm(TaskForm):
    """Ask for an amount: all that is left, or a part of it."""

    amount = credits_field(
        _("Credits"), required=False, help_text=_("Leave empty for all that is left.")
    )


class RevokeForm(TaskForm):
    """Ask how many credits are refunded, and what happens if they are already used."""

    amount = credits_field(_("Credits"))
    policy = forms.ChoiceField(
        label=_("If credits are already used"),
        choices=[(policy, POLICIES[policy]) for policy in SHORTFALL_POLICIES],
        initial=lambda: app_settings.shortfall_policy,
    )


class TransferForm(AmountForm):
    """Ask who gets the credits."""

    to = OwnerField(label=pgettext_lazy("receiver", "To"))

    def clean_to(self) -> CreditAccount:
        return CreditAccount.objects.for_owner(self.cleaned_data["to"])

    @property
    def accounts(self) -> list[CreditAccount]:
        return [self.cleaned_data["to"]]


class LimitForm(TaskForm):
    """Ask how far the account may be overdrawn."""

    limit = credits_field(
        _("Overdraft limit"), min_value=Decimal(0), help_text=_("0 allows no overdraft.")
    )


@dataclass(frozen=True)
class Task:
    """``run(row, form, actor)`` does the task; ``offered(row)`` is whether the row allows it."""

    name: str
    label: Any
    form: type[TaskForm]
    run: Callable[[Any, Any, Any], Any]
    offered: Callable[[Any], bool]


def _account_task(
    name: str, label: Any, statuses: Iterable[str], change: Callable[..., Any]
) -> Task:
    def run(account: CreditAccount, form: TaskForm, actor: Any) -> CreditAccount:
        result: CreditAccount = change(
            account=account, actor=actor, reason=form.cleaned_data["reason"]
        )
        return result

    return Task(name, label, TaskForm, run, lambda account: account.status in statuses)


def _set_overdraft_limit(account: CreditAccount, form: LimitForm, actor: Any) -> CreditAccount:
    data = form.cleaned_data
    return ledger.set_overdraft_limit(
        account=account, limit=data["limit"], actor=actor, reason=data["reason"]
    )


def _reverse(entry: CreditTransaction, form: AmountForm, actor: Any) -> CreditTransaction:
    return ledger.reverse(
        transaction=entry,
        amount=form.cleaned_data["amount"],
        reason=form.cleaned_data["reason"],
        idempotency_key=form.idempotency_key,
        actor=actor,
    )


def _revoke(lot: CreditLot, form: RevokeForm, actor: Any) -> CreditTransaction:
    data = form.cleaned_data
    return ledger.revoke(
        lot=lot,
        amount=data["amount"],
        reason=data["reason"],
        policy=data["policy"],
        idempotency_key=form.idempotency_key,
        actor=actor,
    )


def _transfer(lot: CreditLot, form: TransferForm, actor: Any) -> CreditTransaction | None:
    data = form.cleaned_data
    return ledger.transfer(
        lot=lot,
        to=data["to"],
        amount=data["amount"],
        description=data["reason"],
        idempotency_key=form.idempotency_key,
        actor=actor,
    )


def _release(hold: CreditHold, form: TaskForm, actor: Any) -> CreditHold:
    return ledger.release(hold=hold)


Status = CreditAccount.Status
Kind = CreditTransaction.Kind
ACCOUNT_TASKS = (
    _account_task("freeze", _("Freeze"), [Status.ACTIVE], ledger.freeze),
    _account_task("unfreeze", _("Unfreeze"), [Status.FROZEN], ledger.unfreeze),
    Task(
        "overdraft-limit",
        _("Set the overdraft limit"),
        LimitForm,
        _set_overdraft_limit,
        lambda account: True,
    ),
    _account_task(
        "close",
        pgettext_lazy("an account", "Close for good"),
        [Status.ACTIVE, Status.FROZEN],
        ledger.close,
    ),
)
TRANSACTION_TASKS = (
    Task(
        "reverse",
        _("Give back"),
        AmountForm,
        _reverse,
        lambda entry: entry.kind in (Kind.CONSUME, Kind.ADJUST, Kind.REVOKE) and entry.amount <= 0,
    ),
)
LOT_TASKS = (
    Task(
        "revoke",
        _("Revoke"),
        RevokeForm,
        _revoke,
        lambda lot: lot.credit_type != CreditLot.CreditType.OVERDRAFT,
    ),
    Task(
        "transfer",
        _("Transfer"),
        TransferForm,
        _transfer,
        lambda lot: lot.credit_type != CreditLot.CreditType.OVERDRAFT and lot.remaining > lot.held,
    ),
)
HOLD_TASKS = (
    Task(
        "release",
        _("Release"),
        TaskForm,
        _release,
        lambda hold: hold.status == CreditHold.Status.OPEN,
    ),
)


@dataclass(frozen=True)
class Effect:
    """A figure of an account before and after."""

    account: str
    name: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.account}: {self.name} {self.before} → {self.after}"


def perform(
    row: Any, accounts: Iterable[CreditAccount], write: Callable[[], Any], *, dry_run: bool
) -> list[Effect]:
    """Run ``write``, or only try it, and return what it changes in the accounts.

    Raises:
        CreditsError: the ledger refused the write.
    """
    using = database_of(row)
    with write_atomic(using, dry_run=dry_run):
        before = {account: _figures(account, using) for account in accounts}
        write()
        return [
            Effect(str(account), name, former, after)
            for account, figures in before.items()
            for (name, former), after in zip(
                figures.items(), _figures(account, using).values(), strict=True
            )
            if former != after
        ]


def _figures(account: CreditAccount, using: str) -> Mapping[str, str]:
    stored = CreditAccount._base_manager.using(using).get(pk=account.pk)
    owed = sum(stored.lots.filter(owed__gt=0).values_list("owed", flat=True), Decimal(0))
    return {
        str(_("Balance")): format_credits(stored.posted),
        str(_("On hold")): format_credits(stored.held),
        str(_("Available")): format_credits(stored.get_available_balance()),
        str(_("Still to be revoked")): format_credits(owed),
        str(_("Status")): str(stored.get_status_display()),
        str(_("Overdraft limit")): format_credits(stored.overdraft_limit),
    }


class TasksMixin(PagesMixin):
    """Add pages to a model admin for its ``tasks``, each for one row."""

    tasks: ClassVar[tuple[Task, ...]]
    change_form_template = "admin/quickscale_credits/tasks_change_form.html"

    def get_urls(self) -> list[URLPattern]:
        return [
            self.url(f"<path:object_id>/{task.name}/", self.task_view, _page_name(task), task=task)
            for task in self.tasks
        ] + super().get_urls()

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        offered = [
            (task.label, self.page_url(_page_name(task), row.pk))
            for task in self.tasks
            if row is not None and request.user.has_perm(PERMISSION) and task.offered(row)
        ]
        context = {"tasks": offered, **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)

    def task_view(self, request: HttpRequest, object_id: str, task: Task) -> HttpResponse:
        if not (request.user.has_perm(PERMISSION) and self.has_view_permission(request)):
            raise PermissionDenied
        row = get_object_or_404(self.model, pk=object_id)
        form = task.form(request.POST or None, initial={"key": uuid.uuid4()})
        effects = None
        if form.is_valid():
            confirmed = "confirm" in request.POST
            account = row if isinstance(row, CreditAccount) else row.account
            try:
                effects = perform(
                    row,
                    [account, *form.accounts],
                    lambda: task.run(row, form, request.user),
                    dry_run=not confirmed,
                )
            except CreditsError as error:
                form.add_error(None, str(error))
            else:
                if confirmed:
                    return self._done(request, row, task, form, effects)
        return self.page(
            request,
            "admin/quickscale_credits/task.html",
            title=f"{task.label}: {row}",
            original=row,
            form=form,
            effects=effects,
        )

    def _done(
        self, request: HttpRequest, row: Any, task: Task, form: TaskForm, effects: list[Effect]
    ) -> HttpResponse:
        self.log_change(request, row, f"{task.label}: {form.cleaned_data['reason']}")
        for effect in effects:
            messages.success(request, str(effect))
        if not effects:
            messages.info(request, _("Nothing has changed."))
        return self.to_page("change", row.pk)


def _page_name(task: Task) -> str:
    return task.name.replace("-", "_")
