from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class StripeSandboxConfig(AppConfig):
    name = "quickscale_stripe_sandbox"
    verbose_name = _("Stripe sandbox")

    def ready(self) -> None:
        from quickscale_stripe_sandbox import checks  # noqa: F401
