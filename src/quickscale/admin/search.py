"""How the admin of our apps finds the rows of an owner."""

from __future__ import annotations

from django.contrib import admin
from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.http import HttpRequest

from quickscale.admin.base import Mixin
from quickscale.owner import get_owner_model


class OwnerSearchMixin(Mixin):
    """Rows that are found by their owner, too.

    ``owner_prefix`` leads from the model to the owner, such as ``"account__owner__"``; empty, no
    owner is searched.
    """

    owner_prefix = ""

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        owners = owner_search_fields(self.owner_prefix) if self.owner_prefix else []
        return [*super().get_search_fields(request), *owners]


def owner_search_fields(prefix: str) -> list[str]:
    """What an admin searches for owners by.

    What the owner's own admin searches, such as the addresses of a team's members; without one,
    the texts of theirs that people know. And the key.

    Args:
        prefix: the way from the searched model to the owner, such as ``"account__owner__"``.
    """
    owner = get_owner_model()
    if admin.site.is_registered(owner):
        own = admin.site.get_model_admin(owner).search_fields
        if own:
            return [*(_behind(prefix, field) for field in own), f"={prefix}pk"]
    known = []
    for name in ("email", "username", "name", "slug"):
        try:
            field = owner._meta.get_field(name)
        except FieldDoesNotExist:
            continue
        if isinstance(field, models.CharField):
            known.append(f"{prefix}{name}")
    return [*known, f"={prefix}pk"]


def _behind(prefix: str, field: str) -> str:
    """A search field of an admin, which may begin with how it is compared."""
    how = field[0] if field[0] in "^=@" else ""
    return f"{how}{prefix}{field.removeprefix(how)}"
