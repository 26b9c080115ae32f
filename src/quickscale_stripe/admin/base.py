"""Code that the admins of Stripe's objects share: read-only rows, and steps that change them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.auth import get_permission_codename
from django.core.exceptions import PermissionDenied
from django.db import models, transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from quickscale.admin.base import ModelAdmin
from quickscale.admin.columns import ReadOnlyMixin, RoomMixin
from quickscale.admin.jobs import Job, JobsMixin
from quickscale.admin.search import OwnerSearchMixin
from quickscale_stripe.admin.links import stripe_link
from quickscale_stripe.admin.steps import Step
from quickscale_stripe.exceptions import PaymentsError, PaymentsOffError, StripeUnavailableError

AT_ONCE = 5


def stripe_column(kind: str, field: str, description: Any) -> Callable[[Any], str]:
    """Return a column that links to the object's page at Stripe."""

    @admin.display(description=description, ordering=field)
    def column(row: Any) -> str:
        mode = row if hasattr(row, "livemode") else row.payment
        return stripe_link(kind, getattr(row, field), livemode=mode.livemode)

    return column


class StepsAdmin(OwnerSearchMixin, JobsMixin, RoomMixin, ModelAdmin):
    """Rows with steps, which are list actions and buttons on a row's page.

    Staff with permission to change rows of the model may take its steps.
    """

    change_form_template = "admin/quickscale_stripe/detail.html"
    show_full_result_count = False
    list_per_page = 50
    steps: ClassVar[list[Step]] = []

    def __init__(self, model: type[Any], admin_site: admin.AdminSite) -> None:
        super().__init__(model, admin_site)
        self.actions = [_action(step) for step in self.steps if step.is_action]

    def has_manage_permission(self, request: HttpRequest) -> bool:
        codename = get_permission_codename("change", self.opts)
        return request.user.has_perm(f"{self.opts.app_label}.{codename}")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody may: Stripe and the history refer to the rows. Archive, cancel or refund
        instead."""
        return False

    def may_take(self, request: HttpRequest, step: Step) -> bool:
        allowed: bool = getattr(self, f"has_{step.permission}_permission")(request)
        return allowed

    def get_urls(self) -> list[URLPattern]:
        """Return URLs outside the transaction of ``ATOMIC_REQUESTS``, because they wait for
        Stripe."""
        urls = [*self.own_urls(), *super().get_urls()]
        for url in urls:
            transaction.non_atomic_requests(url.callback)
        return urls

    def own_urls(self) -> list[URLPattern]:
        return [
            self.url("run/<slug:step>/<uuid:job>/", self.run_view, "run"),
            self.url("<path:object_id>/take/<slug:step>/", self.take_view, "take"),
        ]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        context = {"steps": self.steps_of(request, row) if row else [], **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)

    def steps_of(self, request: HttpRequest, row: Any) -> list[tuple[Step, str]]:
        """Return the steps that may be taken with a row now, each with its address."""
        return [
            (step, self.page_url("take", row.pk, step.name))
            for step in self.steps
            if step.is_action and self.may_take(request, step) and step.applies(row)
        ]

    def begin(self, request: HttpRequest, step: Step, keys: Iterable[Any]) -> HttpResponse:
        """Take a step with many rows: at once if they are few and the step has no question."""
        job = Job.begin(request.session, step.name, keys)
        if not step.question and len(job.keys) <= AT_ONCE:
            self._run(request, step, job.keys)
            return self.to_page("changelist")
        return self.to_page("run", step.name, job.id)

    def run_view(self, request: HttpRequest, step: str, job: Any) -> HttpResponse:
        """Take a step with many rows, a few at a time."""
        taken = self._step(request, step)
        begun = Job.load(request.session, step, job)
        if begun is None:
            return self.without_job(request)
        return self.job_page(
            request,
            begun,
            partial(self._run, request, taken),
            title=taken.label,
            at_once=AT_ONCE,
            question=taken.question,
        )

    def take_view(self, request: HttpRequest, object_id: str, step: str) -> HttpResponse:
        """Ask before a step with one row, and take it by POST."""
        taken = self._step(request, step)
        row = self.get_object(request, object_id)
        if row is None:
            raise Http404
        if request.method == "POST":
            self._run(request, taken, [str(row.pk)])
            return self.to_page("change", row.pk)
        template = "admin/quickscale_stripe/take.html"
        return self.page(request, template, title=taken.label, step=taken, original=row)

    def _run(self, request: HttpRequest, step: Step, keys: list[str]) -> int:
        """Take a step with each row, show what happened, and return how many rows are finished.

        An error of one row is shown, and the others go on. This stops when Stripe can't be reached,
        because the others would fail, too.
        """
        taken = 0
        for number, key in enumerate(keys):
            row = self._find(step, key)
            if row is None or not step.applies(row):
                messages.warning(request, _("%s: nothing to do.") % (row or key))
                continue
            try:
                step.run(row)
            except (PaymentsOffError, StripeUnavailableError) as error:
                messages.error(request, _("Stripe is unreachable: %s") % error)
                return number
            except PaymentsError as error:
                messages.warning(request, f"{row}: {error}")
                continue
            taken += 1
            self.log_step(request, row, step)
        if taken:
            text = ngettext("%(step)s: %(count)d row.", "%(step)s: %(count)d rows.", taken)
            messages.success(request, text % {"step": step.label, "count": taken})
        return len(keys)

    def log_step(self, request: HttpRequest, row: Any, step: Step) -> None:
        self.log_change(request, row, str(step.label))

    def _find(self, step: Step, key: str) -> Any:
        if step.find:
            return step.find(key)
        return self.model._default_manager.filter(pk=key).first()

    def _step(self, request: HttpRequest, name: str) -> Step:
        found = next((step for step in self.steps if step.name == name), None)
        if found is None:
            raise Http404
        if not self.may_take(request, found):
            raise PermissionDenied
        return found


class ReadOnlyAdmin(ReadOnlyMixin, StepsAdmin):
    """Rows that only Stripe changes; the steps change them at Stripe."""


def _action(step: Step) -> Callable[[StepsAdmin, HttpRequest, models.QuerySet[Any]], HttpResponse]:
    @admin.action(description=step.label, permissions=[step.permission])
    def action(
        modeladmin: StepsAdmin, request: HttpRequest, queryset: models.QuerySet[Any]
    ) -> HttpResponse:
        return modeladmin.begin(request, step, queryset.order_by("pk").values_list("pk", flat=True))

    action.__name__ = step.name
    return action
