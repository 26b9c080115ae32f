from __future__ import annotations

from io import StringIO

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.urls import reverse

pytestmark = pytest.mark.django_db


def create_starter_users() -> str:
    out = StringIO()
    call_command("create_starter_users", stdout=out)
    return out.getvalue()


def test_both_can_sign_in(client, settings):
    settings.DEBUG = True
    assert create_starter_users() == "Created user@test.com\nCreated admin@test.com\n"

    for email, password in (("user@test.com", "userpasswd"), ("admin@test.com", "adminpasswd")):
        data = {"login": email, "password": password}
        assert client.post(reverse("account_login"), data).url == "/dashboard/"
        client.logout()
    assert not get_user_model().objects.get(email="user@test.com").is_staff
    assert get_user_model().objects.get(email="admin@test.com").is_superuser


def test_a_second_run_changes_nothing(settings):
    settings.DEBUG = True
    create_starter_users()
    user = get_user_model().objects.get(email="user@test.com")
    user.set_password("my own")
    user.save()

    assert create_starter_users() == "Kept user@test.com\nKept admin@test.com\n"

    user.refresh_from_db()
    assert user.check_password("my own")
    assert get_user_model().objects.count() == EmailAddress.objects.count() == 2


def test_refused_in_production(settings):
    settings.DEBUG = False
    with pytest.raises(CommandError, match="DEBUG must be on"):
        create_starter_users()
    assert not get_user_model().objects.exists()
