from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.generic import DetailView, FormView, ListView
from django.views.generic.base import View

from quickscale import drafts
from quickscale.internal.fragments import FragmentMixin, wants_fragment
from quickscale.links import PageView, find_page_url, page_url
from quickscale.login import LoginRequiredMixin, OwnerRequiredMixin
from quickscale_credits import metering
from quickscale_credits.exceptions import (
    AccountFrozenError,
    ChargeInProgressError,
    HoldStateError,
    IdempotencyConflictError,
    InsufficientCreditsError,
)
from quickscale_credits.http import announce_change
from quickscale_credits.internal.balances import (
    account_of_request,
    balance_overview,
    paid_by_type,
    recent_activity,
    with_scheduled,
)
from quickscale_credits.internal.databases import non_atomic_requests
from quickscale_credits.models import CreditAccount, CreditTransaction, Service, ServiceUsage
from quickscale_credits.origins import origin_of
from quickscale_credits.pages.csv_export import csv_response, safe_text
from quickscale_credits.pages.filters import GROUPS, HistoryFilter
from quickscale_credits.pages.forms import UseKeyForm, fill_in, typed_values
from quickscale_credits.pages.paging import Keyset
from quickscale_credits.pages.query import CleanQueryMixin
from quickscale_credits.pages.quotes import MAX_BYTES, shown_quote
from quickscale_credits.services import (
    BaseService,
    ServiceError,
    get_service,
    registered_services,
    services_with_page,
)

EXPORT_ROWS_AT_ONCE = 2000


class AccountMixin(OwnerRequiredMixin):
    """A view of the account of the owner that the request acts for."""

    @cached_property
    def account(self) -> CreditAccount:
        return account_of_request(self.request)


class BalanceView(AccountMixin, FragmentMixin, PageView):
    """The balance by type and the last entries; for HTMX, only the balance."""

    template_name = "quickscale_credits/balance.html"
    fragment_name = "quickscale_credits/_balance.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            overview=balance_overview(self.account),
            recent=recent_activity(self.account),
            **kwargs,
        )


class HistoryMixin(AccountMixin):
    @cached_property
    def filter(self) -> HistoryFilter:
        entries = self.account.transactions.select_related("service", "usage")
        return HistoryFilter(self.request.GET, entries)

    def keyset(self, entries: QuerySet[CreditTransaction], size: int) -> Keyset[CreditTransaction]:
        field, descending = self.filter.ordering
        return Keyset(entries, field=field, tie="sequence", descending=descending, size=size)


class HistoryView(CleanQueryMixin, HistoryMixin, FragmentMixin, PageView):
    """All entries of the account, filtered, sorted and paginated."""

    template_name = "quickscale_credits/history.html"
    fragment_name = "quickscale_credits/_history.html"
    page_size = 25

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        query = self.request.GET
        page = self.keyset(with_scheduled(self.filter.qs), self.page_size).page(
            after=query.get("after", ""), before=query.get("before", "")
        )
        filters = {name: query[name] for name in self.filter.form.fields if query.get(name)}
        return super().get_context_data(
            filter=self.filter,
            page=page,
            query=urlencode(filters),
            by_day=self.filter.ordering[0] == "sequence",
            groups=list(self.groups(filters)),
            **kwargs,
        )

    def groups(self, filters: dict[str, str]) -> Iterator[dict[str, Any]]:
        """Yield the links that choose a group of kinds and keep the other filters."""
        page = page_url(self.request, "quickscale_credits:history")
        chosen = self.filter.values.get("show") or ""
        others = {name: value for name, value in filters.items() if name != "show"}
        for value, label in [("", _("All")), *((key, row[0]) for key, row in GROUPS.items())]:
            query = urlencode(others | ({"show": value} if value else {}))
            url = f"{page}?{query}".removesuffix("?")
            yield {"label": label, "url": url, "current": value == chosen}


class HistoryExportView(HistoryMixin, View):
    """The filtered history as CSV."""

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        name = f"credits-{timezone.localdate():%Y-%m-%d}.csv"
        return csv_response(
            request, name, self.rows(self.keyset(self.filter.qs, EXPORT_ROWS_AT_ONCE))
        )

    def rows(self, entries: Iterable[CreditTransaction]) -> Iterator[tuple[Any, ...]]:
        yield (
            _("Number"),
            _("Time"),
            _("Kind"),
            _("Description"),
            _("Service"),
            _("Amount"),
            _("Balance after"),
        )
        for entry in entries:
            yield (
                entry.sequence,
                timezone.localtime(entry.created_at).isoformat(timespec="seconds"),
                entry.get_kind_display(),
                safe_text(entry.description),
                safe_text(entry.service.name) if entry.service else "",
                entry.amount,
                entry.balance_after,
            )


class TransactionView(AccountMixin, DetailView):  # type: ignore[type-arg]
    """One entry, and the lots of credits that it created or took from."""

    template_name = "quickscale_credits/transaction.html"
    context_object_name = "entry"
    slug_field = slug_url_kwarg = "sequence"

    def get_queryset(self) -> QuerySet[CreditTransaction]:
        entries = self.account.transactions.select_related("service", "usage", "reverses")
        return with_scheduled(entries).prefetch_related("allocations__lot", "reversals")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        origin, url = origin_of(self.object), ""
        if origin:
            url = find_page_url(self.request, origin.url_name, **origin.url_kwargs)
        return super().get_context_data(origin=origin, origin_url=url, **kwargs)


class ServiceListView(LoginRequiredMixin, ListView):  # type: ignore[type-arg]
    """The services that credits can be used for, and what they cost.

    A row without code, such as one whose app was removed, is shown to staff only.
    """

    template_name = "quickscale_credits/services.html"
    context_object_name = "services"
    paginate_by = 48

    def get_queryset(self) -> QuerySet[Service]:
        services = Service.objects.active().with_prices()
        if self.request.user.is_staff:
            return services
        return services.filter(slug__in=registered_services())

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            usable=services_with_page(), known=registered_services(), **kwargs
        )


class ServiceFormView(AccountMixin, FormView):  # type: ignore[type-arg]
    """A view with the form of a service."""

    @cached_property
    def row(self) -> Service:
        code = self.kwargs["service"]
        row = Service.objects.filter(slug=code).first()
        if row is None and get_service(code):
            raise Http404(f"The service {code!r} has no row in the database: run migrate.")
        if row is None or not row.is_active:
            raise Http404(_("There is no such service."))
        return row

    @cached_property
    def service(self) -> BaseService:
        service = get_service(self.row.slug)
        if service is None or not service.has_page:
            raise Http404(_("This service has no page."))
        return service

    def get_form_class(self) -> type[forms.Form]:
        return self.service.form_class

    def quote(self, form: forms.Form) -> dict[str, Any]:
        return shown_quote(self.service, row=self.row, owner=self.owner, form=form)


class QuoteView(ServiceFormView):
    """What a use with the values of the form would cost; it stores and charges nothing."""

    http_method_names = ["post"]
    template_name = "quickscale_credits/_quote.html"

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if int(request.META.get("CONTENT_LENGTH") or 0) > MAX_BYTES:
            shown = {"hint": _("This is too long for a quote. The rate above applies.")}
        else:
            shown = self.quote(self.get_form())
            shown = shown or {"hint": _("Fill in the form to see what it costs.")}
        return self.render_to_response(shown)


@method_decorator(non_atomic_requests, name="dispatch")
class ServiceUseView(FragmentMixin, ServiceFormView):
    """The form of a service. A use redirects to its result, or with HTMX shows it in place."""

    template_name = "quickscale_credits/service_use.html"
    fragment_name = "quickscale_credits/_use.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(
            service=self.row,
            key=UseKeyForm(),
            overview=balance_overview(self.account),
            has_fixed_cost=self.service.has_fixed_cost,
            **kwargs,
        )
        return context | self.quote(context["form"])

    def get_form(self, form_class: type[forms.Form] | None = None) -> forms.Form:
        form: forms.Form = super().get_form(form_class)
        draft = drafts.find(self.request)
        if draft and draft.values and not form.is_bound:
            fill_in(form, draft.values)
        return form

    def form_valid(self, form: forms.Form) -> HttpResponse:
        key = UseKeyForm(self.request.POST, self.request.FILES)
        if not key.is_valid():
            return self.form_invalid(form)
        try:
            usage = metering.use(
                self.service,
                owner=self.owner,
                data=form.cleaned_data,
                idempotency_key=key.idempotency_key(self.row.slug),
            )
        except InsufficientCreditsError as error:
            title, values = self.row.name, typed_values(form)
            draft = drafts.keep(self.request, title=title, values=values)
            context = self.get_context_data(form=form, error=error, draft=draft)
            return self.render_to_response(context, status=402)
        except ServiceError as error:
            form.add_error(None, str(error))
        except AccountFrozenError:
            form.add_error(None, _("Your credits can't be used at present. Please contact us."))
        except ChargeInProgressError:
            form.add_error(None, _("This is already in progress. Please wait for the result."))
        except (HoldStateError, IdempotencyConflictError):
            form.add_error(None, _("This form was already used. Please send it again."))
        else:
            drafts.discard(self.request)
            return self.show(usage, form)
        return self.form_invalid(form)

    def form_invalid(self, form: forms.Form) -> HttpResponse:
        return self.render_to_response(self.get_context_data(form=form), status=422)

    def show(self, usage: ServiceUsage, form: forms.Form) -> HttpResponse:
        if not wants_fragment(self.request):
            return redirect(
                page_url(self.request, "quickscale_credits_services:usage", pk=usage.pk)
            )
        context = self.get_context_data(form=form, **usage_context(usage))
        response = self.render_to_response(context)
        announce_change(response)
        return response


class UsageView(AccountMixin, DetailView):  # type: ignore[type-arg]
    """The result of a use, its cost and the credits that paid; it can be opened again later."""

    template_name = "quickscale_credits/service_result.html"
    context_object_name = "usage"

    def get_queryset(self) -> QuerySet[ServiceUsage]:
        return self.account.usages.select_related("service", "transaction")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            overview=balance_overview(self.account), **usage_context(self.object), **kwargs
        )


def usage_context(usage: ServiceUsage) -> dict[str, Any]:
    """Return what ``_result.html`` shows besides the balance."""
    service = get_service(usage.service.slug) or BaseService
    return {
        "usage": usage,
        "result": usage.metadata.get("result"),
        "result_template": service.result_template,
        "paid": paid_by_type(usage.transaction) if usage.transaction else [],
    }
