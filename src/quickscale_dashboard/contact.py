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


def may_send(address: str) -> bool:
    """Count one mail from an IP address; false once its hour's ``CONTACT_LIMIT`` is used up."""
    key = f"quickscale_dashboard.contact.{address}"
    cache.add(key, 0, HOUR)
    try:
        return cache.incr(key) <= app_settings.contact_limit
    except ValueError:  # It expired between the two calls, so a new hour has begun.
        return True
