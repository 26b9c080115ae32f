"""The users with whom a developer signs in to a new site."""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction

STARTER_USERS = (
    ("user@test.com", "userpasswd", False),
    ("admin@test.com", "adminpasswd", True),
)
"""Email address, password, and whether it is a superuser."""


@transaction.atomic
def create_starter_users() -> list[tuple[str, bool]]:
    """Create the missing users of :data:`STARTER_USERS`, each with a verified address.

    Returns a pair for each user: the email address, and whether the user was created now. An
    existing user keeps the password.

    Raises:
        ImproperlyConfigured: ``DEBUG`` is off; these passwords are well known.
    """
    if not settings.DEBUG:
        raise ImproperlyConfigured("Starter users have well-known passwords: DEBUG must be on.")
    return [
        (email, _create_unless_exists(email, password, is_superuser))
        for email, password, is_superuser in STARTER_USERS
    ]


def _create_unless_exists(email: str, password: str, is_superuser: bool) -> bool:
    users: Any = get_user_model()._default_manager
    email_field = users.model.get_email_field_name()
    user = users.filter(**{email_field: email}).first()
    made = user is None
    if made:
        create = users.create_superuser if is_superuser else users.create_user
        names = {users.model.USERNAME_FIELD: email.partition("@")[0], email_field: email}
        user = create(**names, password=password)
    EmailAddress.objects.update_or_create(
        user=user, email=email, defaults={"verified": True, "primary": True}
    )
    return made
