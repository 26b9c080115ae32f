"""Users and owners for any models that the settings name."""

from __future__ import annotations

from itertools import count
from typing import Any

from django.contrib.auth import get_user_model

from quickscale.owner import get_owner_model

_numbers = count(1)


def make_user(name: str = "") -> Any:
    """Make a new user, with a username or an email address as the site's model needs."""
    model = get_user_model()
    name = name or f"user{next(_numbers)}"
    email = name if "@" in name else f"{name}@example.com"
    if model.USERNAME_FIELD == "email":
        return model.objects.create_user(email=email, password="pw")
    return model.objects.create_user(name, email, "pw")


def make_owner(name: str = "") -> Any:
    """Make a new owner of credits, who is a user unless the site says otherwise."""
    model = get_owner_model()
    if model is get_user_model():
        return make_user(name)
    return model.objects.create(name=name or f"owner{next(_numbers)}")


def user_of(owner: Any) -> Any:
    """Return a user who acts for an owner: the owner itself, or a new member of the team."""
    if isinstance(owner, get_user_model()):
        return owner
    user = make_user()
    owner.members.add(user)
    return user
