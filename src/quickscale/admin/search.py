"""Find the rows of an owner in the admin of our apps."""

from __future__ import annotations

from django.contrib import admin
from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.http import HttpRequest

from quickscale.admin.base import Mixin
from quickscale.owner import get_owner_model


class OwnerSearchMixin(Mixin):
    """Search rows also by their owner.

    ``owner_prefix`` leads from the model to the owner, such as ``"account__owner__"``. If it is
    empty, owners are not searched.
    """

    owner_prefix = ""

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        owners = owner_search_fields(self.owner_prefix) if self.owner_prefix else []
        return [*super().get_search_fields(request), *owners]


def owner_search_fields(prefix: str) -> list[str]:
    """Return the fields in which an admin searches for owners.

    These are the search fields of the owner's own admin, such as the addresses of a team's members,
    or without such an admin the owner's texts that people know, and always the key.

    Args:
        prefix: the path from the searched model to the owner, such as ``"account__owner__"``.
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
    """Prefix an admin's search field, which may start with the kind of comparison."""
    how = field[0] if field[0] in "^=@" else ""
    return f"{how}{prefix}{field.removeprefix(how)}"
