from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SamplesConfig(AppConfig):
    """Two services to try; put ``quickscale_credits.samples`` into ``INSTALLED_APPS``."""

    name = "quickscale_credits.samples"
    label = "quickscale_credits_samples"
    verbose_name = _("Sample services")
