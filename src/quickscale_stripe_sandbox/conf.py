from __future__ import annotations

from pathlib import Path

from django.conf import settings

from quickscale.conf import AppSettings


class SandboxSettings(AppSettings):
    """The settings of ``quickscale_stripe_sandbox``."""

    prefix = "QUICKSCALE_STRIPE_SANDBOX_"

    @property
    def path(self) -> str:
        """The SQLite file with the sandbox's state, or ``":memory:"`` for one process's memory, as
        in tests. Default: ``.quickscale/stripe-sandbox.sqlite3`` under ``BASE_DIR``."""
        root = Path(getattr(settings, "BASE_DIR", Path.cwd()))
        default = root / ".quickscale" / "stripe-sandbox.sqlite3"
        return str(self._get("PATH", "") or default)

    @property
    def url(self) -> str:
        """The address of the sandbox's pages within the site, without a slash at the end.
        Default: ``"http://127.0.0.1:8000/stripe/sandbox"``."""
        return self._get("URL", "http://127.0.0.1:8000/stripe/sandbox")


app_settings = SandboxSettings()
