"""A registry of named entries that the apps declare for one another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar

from django.core.exceptions import ImproperlyConfigured


class Named(Protocol):
    @property
    def name(self) -> str: ...


EntryT = TypeVar("EntryT", bound=Named)


class Registry(Generic[EntryT]):
    """Entries with unique names, in the order of their registration.

    An app registers its own in ``AppConfig.ready()``.
    """

    def __init__(self) -> None:
        self._entries: dict[str, EntryT] = {}

    def register(self, *entries: EntryT) -> None:
        """Add entries; adding the same entry again changes nothing.

        Raises:
            ImproperlyConfigured: another entry has that name.
        """
        for entry in entries:
            if self._entries.setdefault(entry.name, entry) != entry:
                raise ImproperlyConfigured(f"{entry.name!r} is registered twice.")

    @contextmanager
    def register_temporarily(self, *entries: EntryT) -> Iterator[None]:
        """Add entries inside the ``with`` block only, for tests."""
        before = dict(self._entries)
        try:
            self.register(*entries)
            yield
        finally:
            self._entries = before

    def get(self, name: str) -> EntryT:
        """Return the entry with that name.

        Raises:
            KeyError: no app has registered it.
        """
        return self._entries[name]

    def __iter__(self) -> Iterator[EntryT]:
        return iter(list(self._entries.values()))
