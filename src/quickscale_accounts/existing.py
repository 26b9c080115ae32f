"""Users who were there before these apps: who could not sign in with an email address, and why.

allauth looks addresses up in lower case, and lets people in whose address is verified.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from allauth.account.models import EmailAddress
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Count, Exists, F, OuterRef, QuerySet, Value
from django.db.models.functions import Coalesce, Lower, Trim

ROWS_AT_ONCE = 1000


@dataclass(frozen=True)
class Survey:
    """What stands between a site's users and signing in with an email address."""

    users: int
    rewritten: int
    """Users whose address has capitals or spaces around it, which lower case mends."""
    unconfirmed: int
    """Users who have to confirm their address at the next sign-in, with an address of their own."""
    without_address: list[Any]
    """Keys of the users who have no address."""
    shared: dict[str, list[Any]]
    """Addresses that several users have, and the users' keys."""

    @property
    def needs_a_person(self) -> bool:
        """Whether something is left that only a person can decide."""
        return bool(self.without_address or self.shared)


def survey(using: str | None = None) -> Survey:
    """Look at all users, and change nothing."""
    users = _users(using)
    shared: dict[str, list[Any]] = defaultdict(list)
    for address, key in _sharing(users).order_by("address", "pk").values_list("address", "pk"):
        shared[address].append(key)
    return Survey(
        users=users.count(),
        rewritten=_to_rewrite(users).count(),
        unconfirmed=_unconfirmed(users).count(),
        without_address=list(users.filter(address="").order_by("pk").values_list("pk", flat=True)),
        shared=dict(shared),
    )


def prepare(using: str | None = None, *, mark_verified: bool = False) -> Survey:
    """Mend what can be mended without a decision, and return what was found before.

    Addresses are put into lower case, unless several users have the same one then. With
    ``mark_verified`` every address that only one user has counts as confirmed: say so only when the
    site has had it confirmed before, for an address that is somebody else's opens the account to
    them.
    """
    using = using or get_user_model()._base_manager.db
    with transaction.atomic(using=using):
        found = survey(using)
        users = _users(using)
        field = _email_field()
        _to_rewrite(users).update(**{field: Lower(Trim(F(field)))})
        if mark_verified:
            _confirm(using, _unconfirmed(users))
    return found


def _confirm(using: str, unconfirmed: QuerySet[Any]) -> None:
    known = EmailAddress.objects.using(using)
    people = list(unconfirmed.values_list("pk", "address"))
    for start in range(0, len(people), ROWS_AT_ONCE):
        part = dict(people[start : start + ROWS_AT_ONCE])
        has_primary = set(
            known.filter(user__in=part, primary=True).values_list("user_id", flat=True)
        )
        known.bulk_create(
            [
                EmailAddress(
                    user_id=key, email=address, verified=True, primary=key not in has_primary
                )
                for key, address in part.items()
            ],
            update_conflicts=True,
            unique_fields=["user", "email"],
            update_fields=["verified"],
        )


def _users(using: str | None) -> QuerySet[Any]:
    """All users, each with an ``address`` as allauth looks it up."""
    users = get_user_model()._base_manager.using(using)
    address = Lower(Trim(Coalesce(F(_email_field()), Value(""))))
    return users.annotate(address=address)


def _email_field() -> str:
    return str(get_user_model().get_email_field_name())


def _sharing(users: QuerySet[Any]) -> QuerySet[Any]:
    several = users.exclude(address="").order_by().values("address").annotate(users=Count("pk"))
    return users.filter(address__in=several.filter(users__gt=1).values("address"))


def _alone(users: QuerySet[Any]) -> QuerySet[Any]:
    """Users with an address that nobody else has."""
    return users.exclude(address="").exclude(pk__in=_sharing(users).values("pk"))


def _to_rewrite(users: QuerySet[Any]) -> QuerySet[Any]:
    return _alone(users).exclude(address=F(_email_field()))


def _unconfirmed(users: QuerySet[Any]) -> QuerySet[Any]:
    confirmed = EmailAddress.objects.using(users.db).filter(
        email=OuterRef("address"), verified=True
    )
    return _alone(users).exclude(Exists(confirmed))
