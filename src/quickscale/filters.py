"""Filters that all apps share. They need django-filter, which the apps' extras install."""

from __future__ import annotations

from datetime import datetime, time
from typing import Any

import django_filters
from django import forms
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class SinceFilter(django_filters.DateFilter):  # type: ignore[misc]
    """Filter rows from a day in the current time zone on, as a range that an index serves."""

    of_day, comparison, default_label = time.min, "gte", _("From")

    def __init__(self, **options: Any) -> None:
        options.setdefault("label", self.default_label)
        options.setdefault("widget", forms.DateInput({"type": "date"}, "%Y-%m-%d"))
        super().__init__(lookup_expr=self.comparison, **options)

    def filter(self, queryset: QuerySet[Any], value: Any) -> QuerySet[Any]:
        if value:
            value = timezone.make_aware(datetime.combine(value, self.of_day))
        filtered: QuerySet[Any] = super().filter(queryset, value)
        return filtered


class UntilFilter(SinceFilter):
    """Filter rows up to and including a day in the current time zone."""

    of_day, comparison, default_label = time.max, "lte", _("To")
