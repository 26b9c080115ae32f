"""Sample data for every mail, so that templates can be previewed without triggering the mails."""

from __future__ import annotations

from typing import Any

from allauth.account import app_settings as allauth_settings
from allauth.account.adapter import get_adapter
from django.contrib.auth import get_user_model
from django.core.mail import EmailMultiAlternatives
from django.http import HttpRequest
from django.utils import timezone

PREFIX = "account/email/"
SAMPLES = [
    "email_confirmation_signup",
    "email_confirmation",
    "email_confirm",
    "email_changed",
    "email_deleted",
    "account_already_exists",
    "unknown_account",
    "password_reset_key",
    "password_reset",
    "password_changed",
    "password_set",
    "login_code",
    "password_reset_code",
]
"""The names of the mails below ``account/email/``, in the order in which they are shown."""


def sample_context(request: HttpRequest) -> dict[str, Any]:
    """Return all the variables that allauth passes to its mails. Nothing here works or is saved."""
    user_model = get_user_model()
    email = "ann@example.com"
    site_url = request.build_absolute_uri("/")
    by_code = allauth_settings.EMAIL_VERIFICATION_BY_CODE_ENABLED
    return {
        "request": request,
        "email": email,
        "user": user_model(**{user_model.get_email_field_name(): email}),
        "activate_url": None if by_code else f"{site_url}accounts/confirm-email/sample/",
        "password_reset_url": f"{site_url}accounts/password/reset/key/sample/",
        "signup_url": f"{site_url}accounts/signup/",
        "code": "402719",
        "from_email": "ann@old.example.com",
        "to_email": email,
        "deleted_email": "ann@old.example.com",
        "timestamp": timezone.now(),
        "ip": "203.0.113.7",
        "user_agent": "Mozilla/5.0",
    }


def render_sample(request: HttpRequest, name: str) -> EmailMultiAlternatives:
    """Render one of the mails below ``account/email/`` as allauth does."""
    message: EmailMultiAlternatives = get_adapter(request).render_mail(
        name, "ann@example.com", sample_context(request)
    )
    return message
