"""Users for a site's own tests; needs factory-boy."""

from __future__ import annotations

from typing import Any

import factory
from allauth.account.models import EmailAddress
from django.conf import settings


class UserFactory(factory.django.DjangoModelFactory):  # type: ignore[misc]  # no types
    """A user of ``AUTH_USER_MODEL`` with a verified address and the password ``"password"``.

    ``UserFactory(verified=False)`` has not yet confirmed the address.
    """

    class Meta:
        model = settings.AUTH_USER_MODEL
        skip_postgeneration_save = True

    email = factory.Sequence(lambda n: f"user{n}@example.com")
    password = factory.django.Password("password")

    @classmethod
    def _adjust_kwargs(cls, **kwargs: Any) -> dict[str, Any]:
        username_field = cls._meta.get_model_class().USERNAME_FIELD
        return {username_field: kwargs["email"], **kwargs}

    @factory.post_generation  # type: ignore[untyped-decorator]
    def verified(self, create: bool, extracted: bool | None, **kwargs: Any) -> None:
        if create:
            EmailAddress.objects.create(
                user=self, email=self.email, primary=True, verified=extracted is not False
            )
