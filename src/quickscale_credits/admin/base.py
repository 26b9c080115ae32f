"""Code that several of the ledger's admin pages share."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext_lazy

from quickscale.admin import search
from quickscale_credits.pages.csv_export import csv_response, safe_text
from quickscale_credits.pages.paging import Keyset

EXPORT_AT_ONCE = 2000


class OwnerSearchMixin(search.OwnerSearchMixin):
    owner_prefix = "account__owner__"


class CsvExportMixin:
    """The action "Download as CSV", which writes the ``export_fields`` of the selected rows."""

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
