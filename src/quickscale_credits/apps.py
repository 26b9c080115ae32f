from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.apps.registry import Apps
from django.db.models.signals import post_migrate
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext_lazy as _


class CreditsConfig(AppConfig):
    name = "quickscale_credits"
    verbose_name = _("Credits")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from quickscale_credits import checks  # noqa: F401

        autodiscover_modules("credit_services")
        post_migrate.connect(make_service_rows, sender=self)


def make_service_rows(using: str, apps: Apps | None = None, **kwargs: Any) -> None:
    """After every ``migrate`` that leaves the table: each registered service has its row."""
    from quickscale_credits.services import create_missing_rows

    if apps is None or "service" in apps.all_models["quickscale_credits"]:
        create_missing_rows(using)
