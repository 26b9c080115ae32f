"""Sample mails of every app, for the page that previews them in development."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from django.core.mail import EmailMultiAlternatives
from django.http import HttpRequest

Render: TypeAlias = Callable[[HttpRequest, str], EmailMultiAlternatives]

_renders: dict[str, Render] = {}


def register(names: Iterable[str], render: Render) -> None:
    """Register an app's mails; call it from the app's ``ready()``.

    Args:
        names: the prefixes of the templates' names, such as ``"account/email/login_code"``.
        render: makes the mail with that name from sample data, which must not need the database.
    """
    _renders.update(dict.fromkeys(names, render))


def names() -> list[str]:
    """Return the names of all mails in the order of their registration."""
    return list(_renders)


def render(request: HttpRequest, name: str) -> EmailMultiAlternatives:
    """Make the mail with that name from sample data.

    Raises:
        KeyError: no app has such a mail.
    """
    return _renders[name](request, name)
