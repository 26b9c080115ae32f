from __future__ import annotations

from quickscale.conf import AppSettings


class DashboardSettings(AppSettings):
    prefix = "QUICKSCALE_DASHBOARD_"

    @property
    def logo(self) -> str:
        """Path below ``STATIC_URL`` of a square picture beside the brand's name; empty for ours."""
        return self._get("LOGO", "")


app_settings = DashboardSettings()
