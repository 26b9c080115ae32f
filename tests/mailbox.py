from __future__ import annotations

import django
from django.core.mail.backends.locmem import EmailBackend
from django.test import override_settings


class Unreachable(EmailBackend):
    """The mail backend of a site whose mail server can't be reached."""

    def send_messages(self, messages):
        raise ConnectionRefusedError(111, "Connection refused")


def no_mail_server():
    """Make every mail fail inside the ``with`` block."""
    backend = f"{__name__}.Unreachable"
    if django.VERSION >= (6, 1):
        return override_settings(MAILERS={"default": {"BACKEND": backend}})
    return override_settings(EMAIL_BACKEND=backend)
