"""Users and owners, whatever models the site of the settings has."""

from __future__ import annotations

from itertools import count
from typing import Any

from django.contrib.auth import get_user_model

from quickscale.owner import get_owner_model

_numbers = count(1)


def make_user(name: str = "") -> Any:
    """A new user, by username or email address as the site's users are known."""
    model = get_user_model()
    name = name or f"user{next(_numbers)}"
    email = name if "@" in name else f"{name}@example.com"
    if model.USERNAME_FIELD == "email":
        return model.objects.create_user(email=email, password="pw")
    return model.objects.create_user(name, email, "pw")


def make_owner(name: str = "") -> Any:
    """A new owner of credits; the owner is a user unless the site says otherwise."""
    model = get_owner_model()
    if model is get_user_model():
        return make_user(name)
    return model.objects.create(name=name or f"owner{next(_numbers)}")


def user_of(owner: Any) -> Any:
    """A user who acts for an owner: the owner itself, or a new member of the team."""
    if isinstance(owner, get_user_model()):
        return owner
    user = make_user()
    owner.members.add(user)
    return user
