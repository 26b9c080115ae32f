from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register


@register(Tags.security, deploy=True)
def check_debug(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check that the sandbox does not stand in for Stripe in production.

    quickscale_stripe_sandbox.E001: The app is installed while ``DEBUG`` is off.
    """
    if settings.DEBUG:
        return []
    return [
        Error(
            "quickscale_stripe_sandbox is installed while DEBUG is off: nobody would really pay.",
            hint="Install it only where DEBUG is on, and set QUICKSCALE_STRIPE_SECRET_KEY.",
            id="quickscale_stripe_sandbox.E001",
        )
    ]
