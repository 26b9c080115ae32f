from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.apps.registry import Apps
from django.db import router
from django.db.models.signals import post_migrate
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext_lazy as _

from quickscale.internal.owner_key import watch
from quickscale.owner import forgetting_owner


class CreditsConfig(AppConfig):
    name = "quickscale_credits"
    verbose_name = _("Credits")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from quickscale_credits import checks, declarations  # noqa: F401
        from quickscale_credits.models import CreditAccount

        watch(CreditAccount)
        autodiscover_modules("credit_services")
        post_migrate.connect(after_migrate, sender=self)
        forgetting_owner.connect(forget_name)


def forget_name(owner: Any, **kwargs: Any) -> None:
    """Replace the name of an owner who is being forgotten with their account's number."""
    from quickscale_credits.models import CreditAccount

    for key in CreditAccount.objects.filter(owner=owner).values_list("pk", flat=True):
        CreditAccount.objects.filter(pk=key).update(former_owner=f"#{key}")


def after_migrate(using: str, apps: Apps | None = None, **kwargs: Any) -> None:
    """Prepare a database that has the tables, after each ``migrate``."""
    from quickscale_credits.models import Service
    from quickscale_credits.services import create_missing_rows
    from quickscale_credits.sql import recompile

    if apps is not None and "service" not in apps.all_models["quickscale_credits"]:
        return
    if router.allow_migrate_model(using, Service):
        recompile(using)
        create_missing_rows(using)
