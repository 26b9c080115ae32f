from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from allauth.account.views import confirm_email
from django.core.cache import cache
from django.urls import get_resolver, path


@pytest.fixture(autouse=True)
def _no_attempts_counted() -> Iterator[None]:
    """allauth counts attempts in the cache, which outlives a test."""
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def by_link(settings: Any) -> None:
    """A site that confirms addresses by a link; allauth then has one more URL."""
    settings.ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = False

    class Urls:
        urlpatterns = [
            path("accounts/confirm-email/<key>/", confirm_email, name="account_confirm_email"),
            *get_resolver().url_patterns,
        ]

    settings.ROOT_URLCONF = Urls
