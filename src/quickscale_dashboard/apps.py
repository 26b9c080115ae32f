from __future__ import annotations

from django.apps import AppConfig
from django.core.checks import Tags, register
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext_lazy as _


class DashboardConfig(AppConfig):
    name = "quickscale_dashboard"
    verbose_name = _("Dashboard")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from quickscale.internal import mail_samples
        from quickscale_dashboard import checks
        from quickscale_dashboard.pages import contact

        mail_samples.register([contact.TEMPLATE], contact.render_sample)
        register(checks.check_apps)
        register(checks.check_middleware)
        register(checks.check_csp, Tags.security, deploy=True)
        register(checks.check_contact_email, deploy=True)
        register(checks.check_navigation, Tags.urls)
        autodiscover_modules("dashboard")
