"""Make the mails of all apps: a subject, a text and an HTML part, each from a template.

The parts extend ``quickscale/email/base.txt`` and ``quickscale/email/base.html``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.core.mail import EmailMultiAlternatives
from django.http import HttpRequest
from django.template import TemplateDoesNotExist
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.utils.text import Truncator
from django.utils.translation import gettext as _

from quickscale.brand import Brand, get_brand
from quickscale.conf import app_settings
from quickscale.internal.brand import from_email


def make_mail(
    template: str,
    to: Sequence[str],
    context: Mapping[str, Any],
    *,
    reply_to: Sequence[str] = (),
) -> EmailMultiAlternatives:
    """Make a mail from ``<template>_subject.txt``, ``_message.txt`` and ``_message.html``.

    The templates get the variables of :func:`with_layout` in addition to ``context``.
    """
    context = with_layout(template, context)
    subject = render_to_string(f"{template}_subject.txt", context)
    message = EmailMultiAlternatives(
        subject=" ".join(subject.split()),  # A header has one line, even if the values have more.
        body=render_to_string(f"{template}_message.txt", context),
        from_email=from_email(),
        to=to,
        reply_to=reply_to,
    )
    message.attach_alternative(render_to_string(f"{template}_message.html", context), "text/html")
    return message


def with_layout(
    template: str, context: Mapping[str, Any], request: HttpRequest | None = None
) -> dict[str, Any]:
    """Return the context of a mail with what its layout shows, unless it is given.

    This is ``brand``, ``brand_name``, ``logo_url``, ``site_url``, ``reason``, which says why the
    reader gets the mail, and ``preheader``, the line that mail clients show beside the subject:
    the first one of the text.
    """
    brand = get_brand()
    given = {
        "brand": brand,
        "brand_name": brand.name,
        "logo_url": _logo_url(brand),
        "site_url": app_settings.site_url,
        "reason": _("You get this email because you have an account at %(brand)s.")
        % {"brand": brand.name},
        **context,
    }
    return {"preheader": _first_line(f"{template}_message.txt", given, request), **given}


def _logo_url(brand: Brand) -> str:
    """Return the address of the logo, or nothing where none can be named."""
    url = static(brand.bitmap) if brand.bitmap else ""
    if url.startswith("/"):
        return f"{app_settings.site_url}{url}" if app_settings.site_url else ""
    return url


def _first_line(template: str, context: dict[str, Any], request: HttpRequest | None) -> str:
    try:
        text = render_to_string(template, context, request)
    except TemplateDoesNotExist:  # A site may replace a mail by one without a text.
        return ""
    return Truncator(text.strip().partition("\n")[0]).chars(140)
