"""The owner of credits, who pays: the user, or any model that ``QUICKSCALE_OWNER_MODEL`` names.

Set it before the first ``migrate``, which creates the foreign keys (see
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
from quickscale.internal.per_request import once_per_request

#: An owner is about to be forgotten. Sent with ``owner``, so that apps can erase personal data.
forgetting_owner = Signal()


def owner_model_name() -> str:
    """Return the owner model as ``"app_label.Model"``, by default ``AUTH_USER_MODEL``."""
    return app_settings.owner_model


def get_owner_model() -> type[models.Model]:
    """Return the owner's model class.

    Raises:
        ImproperlyConfigured: ``QUICKSCALE_OWNER_MODEL`` does not name an installed model.
    """
    name = owner_model_name()
    try:
        return apps.get_model(name, require_ready=False)
    except (LookupError, ValueError) as error:
        raise ImproperlyConfigured(
            f"QUICKSCALE_OWNER_MODEL names {name!r}, which is not an installed model."
        ) from error


def owner_dependency() -> SwappableTuple:
    """Return the dependency of a migration with a foreign key to the owner."""
    return migrations.swappable_dependency(owner_model_name())


def get_owner(request: HttpRequest) -> Any:
    """Return the owner that a request acts for, from the hook ``QUICKSCALE_GET_OWNER``.

    The result is an instance of the owner model, or ``None`` for a visitor who acts for nobody.
    """
    return app_settings.get_owner(request=request)


@once_per_request
def owner_of_page(request: HttpRequest) -> Any:
    """Return what :func:`get_owner` does, and ask the hook once for all parts of a page.

    What charges an owner calls :func:`get_owner`, because a request may change for whom it acts.
    """
    return get_owner(request)


def request_user(*, request: HttpRequest) -> Any:
    """Return the user who is logged in; the default of ``QUICKSCALE_GET_OWNER``."""
    return request.user if request.user.is_authenticated else None


def owners_of_user(user: Any) -> list[Any]:
    """Return the owners that a user may act for, from the hook ``QUICKSCALE_OWNERS_OF_USER``."""
    return list(app_settings.owners_of_user(user=user))


def user_itself(*, user: Any) -> list[Any]:
    """Return the user if users are owners; the default of ``QUICKSCALE_OWNERS_OF_USER``."""
    return [user] if isinstance(user, get_owner_model()) else []


def forget_owner(owner: Any) -> None:
    """Delete an owner and their personal data in the tables of our apps.

    ``owner.delete()`` alone keeps the owner's name with the journal of their credits, and the
    email address that Stripe has. This function erases both. Receipts stay as issued, because the
    law requires them. Active subscriptions are ended first, and the customer at Stripe is deleted.

    Raises:
        ProtectedError: the site's own rows protect the owner; nothing has changed.
        Exception: an app can't forget the owner, for example because Stripe is unreachable. The
            owner still exists; try again.
    """
    using = router.db_for_write(type(owner), instance=owner)
    Collector(using=using, origin=owner).collect([owner])
    forgetting_owner.send(sender=type(owner), owner=owner)
    owner.delete()


def owner_email(owner: Any) -> str:
    """Return an owner's email address from ``email`` or ``get_email()``, or an empty string."""
    if hasattr(owner, "get_email"):
        return str(owner.get_email())
    return str(getattr(owner, "email", "") or "")
