"""The mail that the contact form sends."""

from __future__ import annotations

from django.core.cache import cache
from django.core.mail import EmailMultiAlternatives
from django.http import HttpRequest
from django.utils.translation import gettext as _

from quickscale.internal.brand import brand_name
from quickscale.mail import make_mail
from quickscale_dashboard.conf import app_settings

HOUR = 3600
TEMPLATE = "quickscale_dashboard/email/contact"


def make_contact_mail(*, name: str, email: str, message: str) -> EmailMultiAlternatives:
    """Make a mail with a visitor's message to ``QUICKSCALE_DASHBOARD_CONTACT_EMAIL``.

    Replies go to the visitor.
    """
    reason = _("You get this email because the contact form of %(brand)s leads to you.")
    context = {
        "name": name,
        "email": email,
        "message": message,
        "reason": reason % {"brand": brand_name()},
    }
    return make_mail(TEMPLATE, [app_settings.contact_email], context, reply_to=[email])


def render_sample(request: HttpRequest, name: str) -> EmailMultiAlternatives:
    return make_contact_mail(name="Ann", email="ann@example.com", message="Do you have an API?")


def may_send(network: str) -> bool:
    """Take one of a network's ``CONTACT_LIMIT`` slots for an hour; return false if none is free.

    ``add`` takes the slot, because it succeeds in only one of several processes.
    """
    key = f"quickscale_dashboard.pages.contact.{network}"
    return any(cache.add(f"{key}.{n}", True, HOUR) for n in range(app_settings.contact_limit))
