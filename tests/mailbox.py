from __future__ import annotations

import django
from django.core.mail.backends.locmem import EmailBackend
from django.test import override_settings


class Unreachable(EmailBackend):
    """What a site without a mail server does with a mail."""

    def send_messages(self, messages):
        raise ConnectionRefusedError(111, "Connection refused")


def no_mail_server():
    """Let every mail fail inside the ``with`` block."""
    backend = f"{__name__}.Unreachable"
    if django.VERSION >= (6, 1):
        return override_settings(MAILERS={"default": {"BACKEND": backend}})
    return override_settings(EMAIL_BACKEND=backend)
