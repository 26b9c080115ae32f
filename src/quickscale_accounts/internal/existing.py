"""Find existing users who can't sign in with an email address, and prepare them for it.

allauth looks up addresses in lower case, and lets only people with a verified address in.
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
    """What keeps a site's users from signing in with an email address."""

    users: int
    rewritten: int
    """The number of users whose address has capitals, or spaces around it, and can be corrected."""
    unconfirmed: int
    """The number of users who have to confirm their own address at the next sign-in."""
    without_address: list[Any]
    """The keys of the users who have no address."""
    shared: dict[str, list[Any]]
    """The addresses that several users have, with the users' keys."""

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
    """Correct what can be corrected without a decision, and return what was found before.

    Addresses are converted to lower case unless several users would then have the same one. With
    ``mark_verified``, every address that only one user has counts as confirmed. Use it only if the
    site has already had the addresses confirmed, because an address that belongs to somebody else
    gives them access to the account.
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
    """Return all users, each with an ``address`` as allauth looks it up."""
    users = get_user_model()._base_manager.using(using)
    address = Lower(Trim(Coalesce(F(_email_field()), Value(""))))
    return users.annotate(address=address)


def _email_field() -> str:
    return str(get_user_model().get_email_field_name())


def _sharing(users: QuerySet[Any]) -> QuerySet[Any]:
    several = users.exclude(address="").order_by().values("address").annotate(users=Count("pk"))
    return users.filter(address__in=several.filter(users__gt=1).values("address"))


def _alone(users: QuerySet[Any]) -> QuerySet[Any]:
    """Return the users with an address that nobody else has."""
    return users.exclude(address="").exclude(pk__in=_sharing(users).values("pk"))


def _to_rewrite(users: QuerySet[Any]) -> QuerySet[Any]:
    return _alone(users).exclude(address=F(_email_field()))


def _unconfirmed(users: QuerySet[Any]) -> QuerySet[Any]:
    confirmed = EmailAddress.objects.using(users.db).filter(
        email=OuterRef("address"), verified=True
    )
    return _alone(users).exclude(Exists(confirmed))
