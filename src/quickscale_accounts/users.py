"""A user with an email address and no username. The project owns the concrete model.

::

    class User(AbstractEmailUser):
        pass
"""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.core.mail import send_mail
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from quickscale.internal import brand

UserT = TypeVar("UserT", bound="AbstractEmailUser")


class EmailUserManager(BaseUserManager[UserT]):
    use_in_migrations = True

    @classmethod
    def normalize_email(cls, email: str | None) -> str:
        """Convert to lower case, as allauth stores addresses; no provider is case-sensitive."""
        return (email or "").strip().lower()

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> UserT:
        """Create a user; without a password, the user can't log in with one.

        Raises:
            ValueError: the email address is empty.
        """
        email = self.normalize_email(email)
        if not email:
            raise ValueError("A user needs an email address.")
        user = self.model(email=email, **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> UserT:
        """Create a user who may do everything, also in the admin site.

        The address counts as verified, so that the first superuser can sign in before any mail
        arrives. Anyone who can create superusers has proven enough.
        """
        fields |= {"is_staff": True, "is_superuser": True}
        user = self.create_user(email, password, **fields)
        if self.model is get_user_model() and apps.is_installed("allauth.account"):
            from allauth.account.models import EmailAddress

            EmailAddress.objects.using(self._db).create(
                user=user, email=user.email, primary=True, verified=True
            )
        return user

    def get_by_natural_key(self, username: str | None) -> UserT:
        return self.get(email=self.normalize_email(username))

    async def aget_by_natural_key(self, username: str | None) -> UserT:
        return await self.aget(email=self.normalize_email(username))


class AbstractEmailUser(AbstractBaseUser, PermissionsMixin):
    """A user with an email address that is unique regardless of case.

    Forms, the manager and ``save()`` convert the address to lower case, and the database refuses
    any other. So no two addresses differ only by case, and a lookup needs no ``iexact``.
    """

    email = models.EmailField(
        _("email address"),
        unique=True,
        error_messages={"unique": _("A user with this email address already exists.")},
    )
    is_staff = models.BooleanField(
        _("staff status"), default=False, help_text=_("May use the admin site.")
    )
    is_active = models.BooleanField(
        _("active"), default=True, help_text=_("Unset this instead of deleting a user.")
    )
    date_joined = models.DateTimeField(_("date joined"), default=timezone.now)

    objects: ClassVar[EmailUserManager[Any]] = EmailUserManager()

    EMAIL_FIELD = "email"
    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        abstract = True
        verbose_name = _("user")
        verbose_name_plural = _("users")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(email=Lower("email")),
                name="%(app_label)s_%(class)s_email_lower",
                violation_error_message=_("Write the email address in lower case."),
            )
        ]

    def __str__(self) -> str:
        return self.email

    def clean(self) -> None:
        super().clean()
        self.email = EmailUserManager.normalize_email(self.email)

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.email = EmailUserManager.normalize_email(self.email)
        super().save(*args, **kwargs)

    def email_user(
        self, subject: str, message: str, from_email: str | None = None, **kwargs: Any
    ) -> None:
        send_mail(subject, message, from_email or brand.from_email(), [self.email], **kwargs)
