"""The name of the site as people read it in pages, mails and receipts."""

from __future__ import annotations

from email.utils import formataddr, parseaddr

from django.conf import settings

from quickscale.brand import get_brand


def brand_name() -> str:
    """Return the name of the site's brand; the value is not cached."""
    return get_brand().name


def from_email() -> str:
    """Return the sender of all mails: ``DEFAULT_FROM_EMAIL``, with the brand as a missing name."""
    name, address = parseaddr(settings.DEFAULT_FROM_EMAIL)
    return formataddr((name or brand_name(), address))
