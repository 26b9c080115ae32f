"""Find what an entry is about in another app; the app that knows registers itself here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from quickscale_credits.models import CreditTransaction


@dataclass(frozen=True)
class Origin:
    """A page about what an entry came from: ``kind`` is a word such as "Payment"."""

    kind: str
    label: str
    url_name: str
    url_kwargs: Mapping[str, Any] = field(default_factory=dict)


FindOrigin: TypeAlias = Callable[[Any], Origin | None]

_finders: list[FindOrigin] = []


def register(find: FindOrigin) -> None:
    """Make the page of an entry link to what ``find`` returns for the entry.

    Call it from ``AppConfig.ready()``. Registering the same function again changes nothing.
    """
    if find not in _finders:
        _finders.append(find)


@contextmanager
def only(*finders: FindOrigin) -> Iterator[None]:
    """Let these functions be the only ones inside the ``with`` block, for tests."""
    before = _finders[:]
    _finders[:] = finders
    try:
        yield
    finally:
        _finders[:] = before


def origin_of(entry: CreditTransaction) -> Origin | None:
    """Return the first origin that is found for an entry."""
    return next(filter(None, (find(entry) for find in _finders)), None)
