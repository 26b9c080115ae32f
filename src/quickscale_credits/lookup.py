"""Whose account a person means who types an e-mail address."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.http import HttpRequest

from quickscale.owner import get_owner, get_owner_model


class OwnerNotFoundError(LookupError):
    """Nobody is meant by ``name``; the message says so."""


def find_owner(name: str) -> Any:
    """The owner whom a user's e-mail address or the owner's primary key names.

    A user stands for the owner that ``QUICKSCALE_GET_OWNER`` gives, such as a team.

    Raises:
        OwnerNotFoundError: there is none.
    """
    if "@" not in name:
        return _owner_by_key(name)
    users = get_user_model()
    field = users.get_email_field_name()
    user = users._default_manager.filter(**{f"{field}__iexact": name}).first()
    if user is None:
        raise OwnerNotFoundError(f"No user has the e-mail address {name}.")
    request = HttpRequest()
    request.user = user
    owner = get_owner(request)
    if owner is None:
        raise OwnerNotFoundError(f"{name} acts for nobody who has credits.")
    return owner


def _owner_by_key(key: str) -> Any:
    model = get_owner_model()
    try:
        return model._default_manager.get(pk=key)
    except (ObjectDoesNotExist, ValidationError, ValueError) as error:
        message = f"There is no {model._meta.verbose_name} with the key {key!r}."
        raise OwnerNotFoundError(message) from error
