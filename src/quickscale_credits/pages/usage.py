"""The page of what an account used, its parts that are loaded later, and its CSV."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.generic.base import View

from quickscale.formats import format_number
from quickscale.internal.fragments import FragmentMixin, wants_fragment
from quickscale.links import PageView, page_url
from quickscale_credits.models import Service
from quickscale_credits.pages.csv_export import csv_response, safe_text
from quickscale_credits.pages.query import CleanQueryMixin
from quickscale_credits.pages.report import PRESETS, Range, Report, service_name
from quickscale_credits.pages.views import AccountMixin
from quickscale_credits.usage import MAX_DAYS

DEFAULT_DAYS = 30


_YEARS = [MinValueValidator(date(2000, 1, 1)), MaxValueValidator(date(9998, 12, 31))]


class UsageForm(forms.Form):
    """A range of days, both included, and a service."""

    since = forms.DateField(
        label=gettext_lazy("From"),
        required=False,
        validators=_YEARS,
        widget=forms.DateInput({"type": "date"}, "%Y-%m-%d"),
    )
    until = forms.DateField(
        label=gettext_lazy("To"),
        required=False,
        validators=_YEARS,
        widget=forms.DateInput({"type": "date"}, "%Y-%m-%d"),
    )
    service = forms.ModelChoiceField(
        Service.objects.all(),
        label=gettext_lazy("Service"),
        required=False,
        empty_label=gettext_lazy("All services"),
        to_field_name="slug",
    )

    def offer_services(self, report: Report) -> None:
        """Offer the services of the report, without reading all others."""
        field: Any = self.fields["service"]
        offered = [each.service for each in report.all.services if each.service]
        if report.service and report.service not in offered:
            offered.append(report.service)
        field.choices = [("", field.empty_label), *((each.slug, each.name) for each in offered)]

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        since, until = values.get("since"), values.get("until")
        if since and until:
            if since > until:
                self.add_error("until", _("The range ends before it begins."))
            elif (until - since).days >= MAX_DAYS:
                text = _("A range has at most %(days)s days.")
                self.add_error("until", text % {"days": format_number(MAX_DAYS)})
        elif since or until:
            self.add_error("until" if since else "since", _("Give both days of the range."))
        return values


class UsageMixin(AccountMixin):
    """Reads the range and the service of the request; an invalid one is that of the last days."""

    @cached_property
    def form(self) -> UsageForm:
        return UsageForm(self.request.GET)

    @cached_property
    def report(self) -> Report:
        valid = self.form.is_valid()
        service = self.form.cleaned_data.get("service")
        return Report(self.account, self._custom() if valid else self._preset(), service)

    def _custom(self) -> Range:
        since, until = self.form.cleaned_data["since"], self.form.cleaned_data["until"]
        if not since:
            return self._preset()
        days = (until - since).days + 1
        is_preset = until == timezone.localdate() and days in PRESETS
        return Range(since, until, days if is_preset else None)

    def _preset(self) -> Range:
        asked = self.request.GET.get("days", "")
        days = int(asked) if asked in map(str, PRESETS) else DEFAULT_DAYS
        return Range.of_last(days, timezone.localdate())

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        report = self.report
        form = self.form
        if form.is_valid():  # Show the range also if it was chosen by its number of days.
            initial = {"since": report.range.since, "until": report.range.until}
            form = UsageForm(initial=initial | {"service": report.service and report.service.slug})
        form.offer_services(report)
        return super().get_context_data(  # type: ignore[misc,no-any-return]
            report=report,
            form=form,
            zone=timezone.get_current_timezone_name(),
            is_current=report.range.until == timezone.localdate(),
            **kwargs,
        )


class UsageView(CleanQueryMixin, UsageMixin, FragmentMixin, PageView):
    """What was used in a range of days, compared with the period before."""

    template_name = "quickscale_credits/usage.html"
    fragment_name = "quickscale_credits/_usage.html"

    def elsewhere(self) -> str:
        """Return the URL of a range with uses, or nothing if there are none at all."""
        last, days = self.report.last_use, self.report.range
        if last is None:
            return ""
        if days.since <= last <= days.until:
            return _page(self.request, self.report.query()) if self.report.service else ""
        since = last - timedelta(days=DEFAULT_DAYS - 1)
        return _page(self.request, urlencode({"since": since, "until": last}))

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        with_meters = "meters" in self.request.GET or not self.report.is_long
        return super().get_context_data(
            with_meters=with_meters,
            elsewhere="" if self.report.uses else self.elsewhere(),
            **kwargs,
        )


class UsagePartView(UsageMixin, PageView):
    """A part of the page, or of the dashboard, that HTMX loads."""

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not wants_fragment(request):
            return redirect(_page(request, self.report.own_query))
        return super().get(request, *args, **kwargs)


class UsageExportView(UsageMixin, View):
    """The credits and uses of each day and service as CSV."""

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        days = self.report.range
        name = f"usage-{days.since:%Y-%m-%d}-{days.until:%Y-%m-%d}.csv"
        return csv_response(request, name, self.rows())

    def rows(self) -> Iterator[tuple[Any, ...]]:
        yield (_("Day"), _("Service"), _("Uses"), _("Credits"))
        report = self.report
        for number, day in enumerate(report.all.days):
            for each in report.services:
                if each.uses_by_day[number]:
                    name = safe_text(service_name(each))
                    yield day.day.isoformat(), name, each.uses_by_day[number], each.by_day[number]


def _page(request: HttpRequest, query: str) -> str:
    return f"{page_url(request, 'quickscale_credits:usage')}?{query}"
