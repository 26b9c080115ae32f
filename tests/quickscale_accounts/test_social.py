from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.urls import reverse

from quickscale_accounts.testing import UserFactory

pytestmark = pytest.mark.django_db


def sign_up_by_provider(client):
    start = client.post(reverse("dummy_login"))
    data = {"id": "1", "email": "ann@example.com", "email_verified": "on"}
    return client.post(start.url, data, follow=True)


def test_off_by_default(client):
    assert "dummy" not in client.get(reverse("account_login")).content.decode().lower()
    assert client.post(reverse("dummy_login")).status_code == 404
    client.force_login(UserFactory())
    assert "Connections" not in client.get(reverse("account_email")).content.decode()


def test_one_setting_turns_it_on(client, settings):
    settings.QUICKSCALE_ACCOUNTS_SOCIAL_LOGIN = True

    assert reverse("dummy_login") in client.get(reverse("account_login")).content.decode()
    sign_up_by_provider(client)
    assert get_user_model().objects.get().email == "ann@example.com"
    assert "Connections" in client.get(reverse("account_email")).content.decode()


def test_the_sign_up_hook_applies_to_social_login_too(client, settings):
    settings.QUICKSCALE_ACCOUNTS_SOCIAL_LOGIN = True
    settings.QUICKSCALE_ACCOUNTS_SIGNUP_ALLOWED = "tests.quickscale_accounts.hooks.nobody"
    sign_up_by_provider(client)
    assert not get_user_model().objects.exists()
