"""The defaults of the hooks that settings name."""

from __future__ import annotations

from django.http import HttpRequest


def signup_allowed(*, request: HttpRequest) -> bool:
    """Let everyone sign up; the default of ``QUICKSCALE_ACCOUNTS_SIGNUP_ALLOWED``."""
    return True
