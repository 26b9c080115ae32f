"""Keyset pagination: the last page of a million rows is as fast as the first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet

ModelT = TypeVar("ModelT", bound=Model)


@dataclass(frozen=True)
class Page(Generic[ModelT]):
    """``previous`` and ``next`` are the query strings of the adjacent pages, or empty."""

    items: list[ModelT]
    previous: str
    next: str


class Keyset(Generic[ModelT]):
    """Pages of a queryset ordered by ``field``, and for equal values by the unique ``tie``."""

    def __init__(
        self, queryset: QuerySet[ModelT], *, field: str, tie: str, descending: bool, size: int = 25
    ) -> None:
        self.fields = [field] if field == tie else [field, tie]
        self.descending = descending
        self.size = size
        self.queryset = queryset

    def page(self, *, after: str = "", before: str = "") -> Page[ModelT]:
        """Return the page after or before a cursor, or the first one; ignore an invalid cursor."""
        start = self._values(after or before)
        backwards = bool(start and before and not after)
        rows = self._rows(start, backwards=backwards, limit=self.size + 1)
        more = len(rows) > self.size
        rows = rows[: self.size]
        if backwards:
            rows.reverse()
        has_previous, has_next = (more, bool(rows)) if backwards else (bool(start), more)
        return Page(
            items=rows,
            previous=f"before={self._cursor(rows[0])}" if rows and has_previous else "",
            next=f"after={self._cursor(rows[-1])}" if rows and has_next else "",
        )

    def __iter__(self) -> Iterator[ModelT]:
        """Yield all rows, reading them in chunks without keeping a database cursor open."""
        start: list[Any] | None = None
        more = True
        while more:
            rows = self._rows(start, backwards=False, limit=self.size)
            yield from rows
            more = len(rows) == self.size
            start = [getattr(rows[-1], field) for field in self.fields] if more else None

    def _rows(self, start: list[Any] | None, *, backwards: bool, limit: int) -> list[ModelT]:
        down = self.descending != backwards
        side = "lt" if down else "gt"
        rows = self.queryset.order_by(*(f"-{field}" if down else field for field in self.fields))
        if start is None:
            return list(rows[:limit])
        # Read two ranges of the index: the remaining ties, then what follows. A single condition
        # with OR would not use a range.
        field, *tie = self.fields
        found: list[ModelT] = []
        if tie:
            ties = rows.filter(**{field: start[0], f"{tie[0]}__{side}": start[1]})
            found = list(ties[:limit])
        if len(found) < limit:
            found += rows.filter(**{f"{field}__{side}": start[0]})[: limit - len(found)]
        return found

    def _cursor(self, row: ModelT) -> str:
        return "_".join(str(getattr(row, field)) for field in self.fields)

    def _values(self, cursor: str) -> list[Any] | None:
        meta = self.queryset.model._meta
        parts = cursor.split("_")
        if not cursor or len(parts) != len(self.fields):
            return None
        try:
            return [
                meta.get_field(field).to_python(part)  # type: ignore[union-attr]
                for field, part in zip(self.fields, parts, strict=True)
            ]
        except ValidationError:
            return None
