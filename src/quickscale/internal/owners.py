"""Find the owner that an email address or a key names."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ObjectDoesNotExist, ValidationError

from quickscale.owner import get_owner_model, owners_of_user

_MOST_NAMED = 10


class OwnerNotFoundError(LookupError):
    """No owner or several owners have that name; the message says which."""


def find_owner(name: str, *, using: str | None = None) -> Any:
    """Find the owner that a user's email address or the owner's primary key names.

    A user stands for the owner that ``QUICKSCALE_OWNERS_OF_USER`` returns, such as a team.
    ``using`` is the database to search, by default the router's choice.

    Raises:
        OwnerNotFoundError: no owner matches, several users have that address, or the user may act
            for several owners.
    """
    if "@" not in name:
        return _owner_by_key(name, using)
    users = get_user_model()
    field = users.get_email_field_name()
    found = users._default_manager.using(using).filter(**{f"{field}__iexact": name})
    named = list(found.order_by("pk")[:_MOST_NAMED])
    if not named:
        raise OwnerNotFoundError(f"No user has the email address {name}.")
    if len(named) > 1:
        keys = ", ".join(str(user.pk) for user in named)
        raise OwnerNotFoundError(f"Several users have the email address {name}: {keys}.")
    owners = owners_of_user(named[0])
    if not owners:
        raise OwnerNotFoundError(
            f"{name} acts for no owner. Use the key of the owner, or set QUICKSCALE_OWNERS_OF_USER."
        )
    if len(owners) > 1:
        keys = ", ".join(f"{owner} ({owner.pk})" for owner in owners[:_MOST_NAMED])
        raise OwnerNotFoundError(f"{name} acts for several owners. Use the key of one: {keys}.")
    return owners[0]


def _owner_by_key(key: str, using: str | None) -> Any:
    model = get_owner_model()
    try:
        return model._default_manager.using(using).get(pk=key)
    except (ObjectDoesNotExist, ValidationError, ValueError) as error:
        message = f"There is no {model._meta.verbose_name} with the key {key!r}."
        raise OwnerNotFoundError(message) from error
