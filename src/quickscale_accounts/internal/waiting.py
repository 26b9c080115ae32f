"""A visitor's session while an address waits to be confirmed, by a code or a link."""

from __future__ import annotations

from allauth.account import app_settings as allauth_settings
from allauth.account.internal.flows.email_verification_by_code import (
    EMAIL_VERIFICATION_CODE_SESSION_KEY as CODE,
)
from allauth.account.utils import get_next_redirect_url
from django.http import HttpRequest
from django.urls import reverse

NEXT = "quickscale_accounts_next"


def begin(request: HttpRequest) -> None:
    """Remember the page that the visitor wants to see afterwards.

    allauth remembers it as long as the code is valid, and only if the address had no account.
    """
    request.session[NEXT] = get_next_redirect_url(request) or ""
    if CODE in request.session:
        # Without this key, allauth still shows the page of the code after the sign-up was
        # cancelled, which reveals that the address has an account.
        request.session[CODE].setdefault("user_id", None)


def next_page(request: HttpRequest) -> str:
    """Return the page that the visitor wants to see afterwards, or an empty string."""
    return request.session.get(NEXT) or ""


def end(request: HttpRequest) -> str | None:
    """Forget the page and return it; return ``None`` if nothing was waiting."""
    page: str | None = request.session.pop(NEXT, None)
    return page


def code_has_ended(request: HttpRequest) -> bool:
    """Return whether the visitor's code has expired, or was wrong too often."""
    return (
        allauth_settings.EMAIL_VERIFICATION_BY_CODE_ENABLED
        and NEXT in request.session
        and CODE not in request.session
    )


def is_on_code_page(request: HttpRequest) -> bool:
    """Return whether the request is for the page that asks for the code, or comes from it."""
    return allauth_settings.EMAIL_VERIFICATION_BY_CODE_ENABLED and request.path == reverse(
        "account_email_verification_sent"
    )


def is_for_nobody(request: HttpRequest) -> bool:
    """Return whether the code can confirm nothing, because the address has an account."""
    return CODE in request.session and not request.session[CODE].get("user_id")
