"""The sandbox of this site, as its settings describe it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from quickscale_stripe.conf import app_settings
from quickscale_stripe.sandbox.engine import Sandbox


def sandbox_path() -> str:
    """``QUICKSCALE_STRIPE_SANDBOX_PATH``, or a file in the project's ``.quickscale`` folder."""
    root = Path(getattr(settings, "BASE_DIR", Path.cwd()))
    return app_settings.sandbox_path or str(root / ".quickscale" / "stripe-sandbox.sqlite3")


_in_use: list[Sandbox] = []


@contextmanager
def using(sandbox: Sandbox) -> Iterator[None]:
    """Let this sandbox be the site's within the block, in all threads."""
    _in_use.append(sandbox)
    try:
        yield
    finally:
        _in_use.remove(sandbox)


def get_sandbox() -> Sandbox:
    """The site's sandbox; the same one while the settings stay the same.

    Raises:
        ImproperlyConfigured: ``DEBUG`` is off, and the path isn't ``":memory:"``, as in tests.
    """
    if _in_use:
        return _in_use[-1]
    path = sandbox_path()
    if not settings.DEBUG and path != ":memory:":
        raise ImproperlyConfigured("QUICKSCALE_STRIPE_SANDBOX is for development, with DEBUG on.")
    return _sandbox(path, app_settings.sandbox_url)


@lru_cache(maxsize=1)
def _sandbox(path: str, url: str) -> Sandbox:
    # What is in memory belongs to tests, which deliver webhooks when they want to.
    return Sandbox(path, base_url=url, background=path != ":memory:")
