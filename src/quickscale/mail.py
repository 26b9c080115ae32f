"""Make the mails of all apps: a subject, a text and an HTML part, each from a template.

The parts extend ``quickscale/email/base.txt`` and ``quickscale/email/base.html``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string

from quickscale.internal.brand import brand_name, from_email


def make_mail(
    template: str,
    to: Sequence[str],
    context: Mapping[str, Any],
    *,
    reply_to: Sequence[str] = (),
) -> EmailMultiAlternatives:
    """Make a mail from ``<template>_subject.txt``, ``_message.txt`` and ``_message.html``.

    The templates get ``brand_name`` in addition to ``context``.
    """
    context = {"brand_name": brand_name(), **context}
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
