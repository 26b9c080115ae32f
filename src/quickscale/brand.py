"""The name of the site as people read it: in pages, in mails, on receipts."""

from __future__ import annotations

from email.utils import formataddr, parseaddr

from django.conf import settings

from quickscale.conf import app_settings


def brand_name() -> str:
    """``QUICKSCALE_BRAND_NAME``, or ``"QuickScale"``; read at use, never cached."""
    return app_settings.brand_name


def from_email() -> str:
    """``DEFAULT_FROM_EMAIL``, with the brand as its name when it has none; for all mails."""
    name, address = parseaddr(settings.DEFAULT_FROM_EMAIL)
    return formataddr((name or brand_name(), address))
