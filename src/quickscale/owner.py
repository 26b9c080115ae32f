"""Who owns credits and pays: the user, or any model that ``QUICKSCALE_OWNER_MODEL`` names.

Set it before the first ``migrate``: the foreign keys are created by then (see
:func:`quickscale.checks.check_owner`).
"""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured
from django.db import migrations, models
from django.db.migrations.migration import SwappableTuple
from django.http import HttpRequest

from quickscale.conf import load_hook


def owner_model_name() -> str:
    """``"app_label.Model"`` of the owner; ``AUTH_USER_MODEL`` unless the site sets another."""
    name: str = getattr(settings, "QUICKSCALE_OWNER_MODEL", settings.AUTH_USER_MODEL)
    return name


def get_owner_model() -> type[models.Model]:
    """The owner's model class.

    Raises:
        ImproperlyConfigured: ``QUICKSCALE_OWNER_MODEL`` names no installed model.
    """
    name = owner_model_name()
    try:
        return apps.get_model(name, require_ready=False)
    except (LookupError, ValueError) as error:
        raise ImproperlyConfigured(
            f"QUICKSCALE_OWNER_MODEL names {name!r}, which is not an installed model."
        ) from error


def owner_dependency() -> SwappableTuple:
    """What a migration with a key to the owner depends on."""
    return migrations.swappable_dependency(owner_model_name())


def get_owner(request: HttpRequest) -> Any:
    """The owner that a request acts for, by the hook ``QUICKSCALE_GET_OWNER(*, request)``.

    Returns an instance of the owner model, or ``None`` for a visitor who acts for nobody.
    """
    return load_hook("QUICKSCALE_GET_OWNER", "quickscale.owner.request_user")(request=request)


def request_user(*, request: HttpRequest) -> Any:
    """The default of ``QUICKSCALE_GET_OWNER``: the user who is logged in."""
    return request.user if request.user.is_authenticated else None


def owner_email(owner: Any) -> str:
    """The address for mails to an owner: its ``email``, or ``get_email()``; else empty."""
    if hasattr(owner, "get_email"):
        return str(owner.get_email())
    return str(getattr(owner, "email", "") or "")


def owner_search_fields(prefix: str) -> list[str]:
    """What an admin searches for owners by: the texts of theirs that people know, or the key.

    Args:
        prefix: the way from the searched model to the owner, such as ``"account__owner__"``.
    """
    owner = get_owner_model()
    known = []
    for name in ("email", "username", "name", "slug"):
        try:
            field = owner._meta.get_field(name)
        except FieldDoesNotExist:
            continue
        if isinstance(field, models.CharField):
            known.append(f"{prefix}{name}")
    return [*known, f"={prefix}pk"]
