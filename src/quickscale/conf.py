"""How each app reads its settings: one typed property for each, read at use, never cached."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

T = TypeVar("T")


class AppSettings:
    """Base of an app's settings object.

    A subclass sets ``prefix`` and has one property for each setting: the property ``buy_url`` of
    the prefix ``QUICKSCALE_CREDITS_`` documents and reads ``QUICKSCALE_CREDITS_BUY_URL``.
    """

    prefix: str

    @classmethod
    def names(cls) -> list[str]:
        """The full names of all settings that the class declares, sorted."""
        return sorted(
            cls.prefix + name.upper()
            for name, value in vars(cls).items()
            if isinstance(value, property) and not name.startswith("_")
        )

    def _get(self, name: str, default: T) -> T:
        value: T = getattr(settings, self.prefix + name, default)
        return value

    def _hook(self, name: str, default: str) -> Callable[..., Any]:
        return load_hook(self.prefix + name, default)


def load_hook(setting: str, default: str) -> Callable[..., Any]:
    """The callable that a dotted-path setting names.

    Raises:
        ImproperlyConfigured: the path can't be imported or isn't callable; names the setting.
    """
    path = getattr(settings, setting, default)
    try:
        hook = import_string(path) if isinstance(path, str) else path
    except ImportError as error:
        raise ImproperlyConfigured(f"{setting} names {path!r}: {error}") from error
    if not callable(hook):
        raise ImproperlyConfigured(f"{setting} names {path!r}, which is not callable.")
    resolved: Callable[..., Any] = hook
    return resolved
