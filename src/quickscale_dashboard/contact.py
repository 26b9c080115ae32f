"""The mail that the contact form sends."""

from __future__ import annotations

from django.core.cache import cache
from django.core.mail import EmailMessage
from django.template.loader import render_to_string

from quickscale.brand import brand_name
from quickscale_dashboard.conf import app_settings

HOUR = 3600


def send_contact_mail(*, name: str, email: str, message: str) -> None:
    """Send what a visitor wrote to ``QUICKSCALE_DASHBOARD_CONTACT_EMAIL``; a reply reaches them.

    Raises what the mail backend raises.
    """
    context = {"name": name, "email": email, "message": message, "brand": brand_name()}
    template = "quickscale_dashboard/email/contact"
    subject = render_to_string(f"{template}_subject.txt", context)
    EmailMessage(
        subject=" ".join(subject.split()),  # A header has one line, whatever the name contains.
        body=render_to_string(f"{template}_message.txt", context),
        to=[app_settings.contact_email],
        reply_to=[email],
    ).send()


def may_send(network: str) -> bool:
    """Take one of a network's ``CONTACT_LIMIT`` places for an hour; false when none is free.

    A place is taken by ``add``, which lets only one of several processes have it.
    """
    key = f"quickscale_dashboard.contact.{network}"
    return any(cache.add(f"{key}.{n}", True, HOUR) for n in range(app_settings.contact_limit))
