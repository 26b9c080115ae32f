from __future__ import annotations

from django.conf import settings

from quickscale.conf import AppSettings


class DashboardSettings(AppSettings):
    prefix = "QUICKSCALE_DASHBOARD_"

    @property
    def logo(self) -> str:
        """The logo, if ``QUICKSCALE_BRAND`` has none: the path below ``STATIC_URL`` of a square
        image; empty for QuickScale's own. Default: ``""``."""
        return self._get("LOGO", "")

    @property
    def contact_email(self) -> str:
        """The address that gets the contact form's mails. Default: ``DEFAULT_FROM_EMAIL``."""
        return self._get("CONTACT_EMAIL", settings.DEFAULT_FROM_EMAIL)

    @property
    def contact_limit(self) -> int:
        """How many mails one client may send with the contact form in an hour. Clients are told
        apart by :func:`quickscale.clients.client_network`, and the count is in Django's cache.
        Default: ``5``."""
        return self._get("CONTACT_LIMIT", 5)


app_settings = DashboardSettings()
