"""Format numbers, money and times of the ledger's rows for people in Django's admin."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.contrib import admin
from django.db import models

from quickscale.admin.columns import ReadOnlyMixin, RoomMixin, credits_column, moment
from quickscale.errors import MissingExtraError
from quickscale.formats import format_money


def money(lot: Any) -> str | None:
    """Return what was paid for a lot."""
    if lot.cost_amount is None:
        return None
    try:
        return format_money(lot.cost_amount, lot.cost_currency)
    except MissingExtraError:
        return f"{lot.cost_amount} {lot.cost_currency.upper()}"


class ReadableMixin(ReadOnlyMixin, RoomMixin):
    """Show rows read-only, with every number of credits formatted."""

    @cached_property
    def _columns(self) -> list[Any]:
        fields = [field for field in self.opts.concrete_fields if field.editable]
        return [self._column(field) for field in fields if field.name != "cost_currency"]

    def _column(self, field: Any) -> Any:
        if isinstance(field, models.DecimalField):
            signed = field.name == "amount" and self.opts.model_name == "credittransaction"
            return credits_column(field.name, field.verbose_name, signed=signed)
        if isinstance(field, models.DateTimeField):
            return moment(field.name, field.verbose_name)
        if field.name == "cost_amount":
            return admin.display(description=field.verbose_name, empty_value="-")(money)
        return field.name
