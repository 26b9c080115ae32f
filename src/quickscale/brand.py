"""The name of the site as people read it: in pages, in mails, on receipts."""

from __future__ import annotations

from django.conf import settings


def brand_name() -> str:
    """``QUICKSCALE_BRAND_NAME``, or ``"QuickScale"``; read at use, never cached."""
    return str(getattr(settings, "QUICKSCALE_BRAND_NAME", "QuickScale"))
