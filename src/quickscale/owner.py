"""Who owns credits and pays: the user, or any model that ``QUICKSCALE_OWNER_MODEL`` names.

Set it before the first ``migrate``: the foreign keys are created by then (see
``quickscale.checks.check_owner``).
"""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import migrations, models, router
from django.db.migrations.migration import SwappableTuple
from django.db.models.deletion import Collector
from django.dispatch import Signal
from django.http import HttpRequest

from quickscale.conf import app_settings

#: An owner is about to be forgotten. Sent with ``owner``, for apps to erase what names them.
forgetting_owner = Signal()


def owner_model_name() -> str:
    """``"app_label.Model"`` of the owner; ``AUTH_USER_MODEL`` unless the site sets another."""
    return app_settings.owner_model


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
    return app_settings.get_owner(request=request)


def request_user(*, request: HttpRequest) -> Any:
    """The default of ``QUICKSCALE_GET_OWNER``: the user who is logged in."""
    return request.user if request.user.is_authenticated else None


def owners_of_user(user: Any) -> list[Any]:
    """The owners that a user may act for, by the hook ``QUICKSCALE_OWNERS_OF_USER(*, user)``."""
    return list(app_settings.owners_of_user(user=user))


def user_itself(*, user: Any) -> list[Any]:
    """The default of ``QUICKSCALE_OWNERS_OF_USER``: the user, where users are the owners."""
    return [user] if isinstance(user, get_owner_model()) else []


def forget_owner(owner: Any) -> None:
    """Delete an owner, and with them what names them in the tables of our apps.

    ``owner.delete()`` alone keeps who they were with the journal of their credits, and their
    address as Stripe has it. This keeps neither; receipts stay as they were given out, for the law
    asks for them. Running subscriptions end first, and the customer at Stripe is deleted.

    Raises:
        ProtectedError: rows of the site's own keep the owner; nothing has happened.
        Exception: an app can't let go of the owner, such as when Stripe is out of reach. The owner
            is still there; try again.
    """
    using = router.db_for_write(type(owner), instance=owner)
    Collector(using=using, origin=owner).collect([owner])
    forgetting_owner.send(sender=type(owner), owner=owner)
    owner.delete()


def owner_email(owner: Any) -> str:
    """The address for mails to an owner: its ``email``, or ``get_email()``; else empty."""
    if hasattr(owner, "get_email"):
        return str(owner.get_email())
    return str(getattr(owner, "email", "") or "")
