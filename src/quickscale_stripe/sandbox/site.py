"""The sandbox of this site, as its settings describe it."""

from __future__ import annotations

from functools import lru_cache

from quickscale_stripe.conf import app_settings
from quickscale_stripe.sandbox.engine import Sandbox


def get_sandbox() -> Sandbox:
    """The sandbox at ``QUICKSCALE_STRIPE_SANDBOX_PATH``; the same one while the path stays."""
    return _sandbox(app_settings.sandbox_path)


@lru_cache(maxsize=1)
def _sandbox(path: str) -> Sandbox:
    return Sandbox(
        path,
        base_url="http://127.0.0.1:8000/stripe/sandbox",
        background=path != ":memory:",
    )
