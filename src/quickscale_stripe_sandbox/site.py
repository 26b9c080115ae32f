"""The sandbox of this site, as its settings describe it."""

from __future__ import annotations

from functools import lru_cache

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from quickscale_stripe_sandbox.client import SandboxHTTPClient
from quickscale_stripe_sandbox.conf import app_settings
from quickscale_stripe_sandbox.internal.engine import Sandbox


def get_sandbox() -> Sandbox:
    """Return the site's sandbox; the same one while the settings stay the same.

    Raises:
        ImproperlyConfigured: ``DEBUG`` is off, and the path isn't ``":memory:"``, as in tests.
    """
    path = app_settings.path
    if not settings.DEBUG and path != ":memory:":
        raise ImproperlyConfigured("quickscale_stripe_sandbox is for development, with DEBUG on.")
    return _sandbox(path, app_settings.url)


def http_client() -> SandboxHTTPClient:
    """Return an HTTP client for the site's sandbox: the value for ``QUICKSCALE_STRIPE_CLIENT``."""
    return SandboxHTTPClient(get_sandbox())


@lru_cache(maxsize=1)
def _sandbox(path: str, url: str) -> Sandbox:
    # A sandbox in memory is for tests, which deliver webhooks when they want to.
    return Sandbox(path, base_url=url, background=path != ":memory:")
