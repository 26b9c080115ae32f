from __future__ import annotations

from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps
from django.utils.translation import gettext_lazy as _


class AccountsConfig(AppConfig):
    name = "quickscale_accounts"
    verbose_name = _("Accounts")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from quickscale.internal import mail_samples
        from quickscale_accounts import checks, declarations  # noqa: F401
        from quickscale_accounts.internal.mail_samples import PREFIX, SAMPLES, render_sample

        mail_samples.register([f"{PREFIX}{name}" for name in SAMPLES], render_sample)


class AdminConfig(admin_apps.AdminConfig):
    """Replaces ``"django.contrib.admin"`` in ``INSTALLED_APPS``: staff sign in like everyone else.

    ``admin.site`` is then an :class:`~quickscale_accounts.admin_site.AdminSite`.
    """

    default = False
    default_site = "quickscale_accounts.admin_site.AdminSite"
