"""The sandbox is for development."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error

from quickscale_stripe.conf import app_settings


def check_sandbox(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Check that the sandbox does not stand in for Stripe in production.

    quickscale_stripe.E900: The sandbox is on while ``DEBUG`` is off.
    """
    if settings.DEBUG or not app_settings.sandbox:
        return []
    return [
        Error(
            "QUICKSCALE_STRIPE_SANDBOX is on while DEBUG is off: nobody would really pay.",
            hint="Remove QUICKSCALE_STRIPE_SANDBOX and set QUICKSCALE_STRIPE_SECRET_KEY.",
            id="quickscale_stripe.E900",
        )
    ]
