from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.core.cache import cache
from django.test import Client
from pytest_django import Settings

from quickscale_dashboard import registry


@pytest.fixture
def user(db: None) -> AbstractBaseUser:
    """A customer, of the test project's user model."""
    model = get_user_model()
    user = model(**dict.fromkeys((model.USERNAME_FIELD, "email"), "ada@example.com"))
    user.set_password("a long passphrase")
    user.save()
    return user


@pytest.fixture
def customer(user: AbstractBaseUser) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def no_mails_counted() -> None:
    cache.clear()


@pytest.fixture
def empty_registry() -> Iterator[None]:
    """A registry with the test's entries only; the other apps test their own."""
    with registry.only():
        yield


@pytest.fixture
def greeting_template(settings: Settings) -> str:
    """The name of a panel's template that shows a ``title`` and the user."""
    template = settings.TEMPLATES[0]
    loaders = [
        (
            "django.template.loaders.locmem.Loader",
            {"greeting.html": "<h2>{{ title }}</h2><p>{{ request.user }}</p>"},
        ),
        "django.template.loaders.filesystem.Loader",
        "django.template.loaders.app_directories.Loader",
    ]
    options = template["OPTIONS"] | {"loaders": loaders}
    settings.TEMPLATES = [template | {"APP_DIRS": False, "OPTIONS": options}]
    return "greeting.html"
