"""A site's fulfilment class, made from a test's functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from quickscale_stripe.conf import app_settings


def use_hooks(settings: Any, **hooks: Callable[..., Any]) -> None:
    """Replace methods of the class by these functions, which get the keyword arguments."""
    methods = {name: staticmethod(hook) for name, hook in hooks.items()}
    base = type(app_settings.fulfilment)
    settings.QUICKSCALE_STRIPE_FULFILMENT = type("SiteFulfilment", (base,), methods)
