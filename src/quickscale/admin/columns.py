"""Make rows readable in Django's admin: times with their zone, codes as words, nothing cut off."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Any, ClassVar

from django.contrib import admin
from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.forms import Script
from django.http import HttpRequest

from quickscale.admin.base import Mixin
from quickscale.formats import format_credits, format_moment, format_money


class RoomMixin:
    """Give long titles and wide lists more room, and let no form be sent twice."""

    class Media:
        css: ClassVar[dict[str, list[str]]] = {
            "all": ["quickscale/admin.css", "quickscale/elements.css"]
        }
        js: ClassVar[list[Script]] = [Script("quickscale/elements.js", defer=True)]


class ReadOnlyMixin(Mixin):
    """Make rows read-only in the admin. Times show their zone."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_list_display(self, request: HttpRequest) -> Any:
        return readable(self.model, super().get_list_display(request))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self._columns

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self._columns

    @cached_property
    def _columns(self) -> list[Any]:
        """Return the columns that a row's page shows."""
        return readable(self.model, self.fields or ())


Column = Callable[[Any], "str | None"]


def moment(field: str, description: Any) -> Column:
    """Make a column that shows a time with its zone."""

    @admin.display(description=description, ordering=field, empty_value="-")
    def column(row: Any) -> str | None:
        value = getattr(row, field)
        return format_moment(value) if value else None

    column.__name__ = "moment"  # gives its cells the class "field-moment"
    return column


def credits_column(field: str, description: Any, *, signed: bool = False) -> Column:
    """Make a column that shows a number of credits."""

    @admin.display(description=description, ordering=field, empty_value="-")
    def column(row: Any) -> str | None:
        value = getattr(row, field)
        return None if value is None else format_credits(value, signed=signed)

    return column


def money_column(field: str, description: Any) -> Column:
    """Make a column that shows minor units of the row's ``currency``."""

    @admin.display(description=description, ordering=field, empty_value="")
    def column(row: Any) -> str | None:
        value = getattr(row, field)
        return None if value is None else format_money(value, row.currency)

    return column


def words(field: str, description: Any) -> Column:
    """Make a column that shows a code in words: ``requested_by_customer``."""

    @admin.display(description=description, ordering=field, empty_value="-")
    def column(row: Any) -> str | None:
        return in_words(getattr(row, field)) or None

    return column


def in_words(code: str) -> str:
    """Turn ``requested_by_customer`` into "Requested by customer"."""
    return code.replace("_", " ").capitalize()


class WordsFilter(admin.AllValuesFieldListFilter):
    """A filter for a field whose values are codes."""

    def choices(self, changelist: Any) -> Iterator[Any]:
        """Show the codes in words."""
        for choice in super().choices(changelist):
            yield {**choice, "display": in_words(str(choice["display"]))}


def readable(model: type[models.Model], names: Iterable[Any]) -> list[Any]:
    """Replace the name of each field that holds a time with a readable column."""
    return [_readable(model, name) for name in names]


def _readable(model: type[models.Model], name: Any) -> Any:
    try:
        field = model._meta.get_field(name)
    except FieldDoesNotExist:
        return name
    return moment(name, field.verbose_name) if isinstance(field, models.DateTimeField) else name
