from __future__ import annotations

import pytest
from django.contrib.auth import authenticate, get_user_model
from django.core import mail
from django.core.exceptions import ValidationError
from django.db import IntegrityError

from tests.projects.everything.users.models import User

pytestmark = pytest.mark.django_db


def test_a_user_needs_an_address():
    with pytest.raises(ValueError, match="needs an email address"):
        User.objects.create_user(email=" ")


def test_create_user():
    user = User.objects.create_user(email=" Ann@Example.com ", password="secret")

    assert (user.email, str(user)) == ("ann@example.com", "ann@example.com")
    assert user.check_password("secret")
    assert not user.is_staff
    assert not user.is_superuser


def test_a_user_without_a_password_cannot_sign_in_with_one():
    user = User.objects.create_user(email="ann@example.com")
    assert not user.has_usable_password()


def test_create_superuser():
    user = User.objects.create_superuser(email="ann@example.com", password="secret")
    assert user.is_staff
    assert user.is_superuser


def test_save_keeps_the_address_in_lower_case():
    user = User.objects.create(email="Ann@Example.com")
    assert user.email == "ann@example.com"


def test_the_form_refuses_an_address_that_differs_by_case_only():
    User.objects.create_user(email="ann@example.com")
    with pytest.raises(ValidationError, match="already exists") as error:
        User(email="ANN@example.com", password="x").full_clean()
    assert "email" in error.value.message_dict


def test_the_database_refuses_an_address_that_is_not_in_lower_case():
    with pytest.raises(IntegrityError, match="users_user_email_lower"):
        User.objects.bulk_create([User(email="ANN@example.com")])


def test_django_authenticates_without_regard_to_case():
    user = User.objects.create_user(email="ann@example.com", password="secret")
    assert authenticate(username="ANN@example.com", password="secret") == user


def test_email_user():
    User.objects.create_user(email="ann@example.com").email_user("Hello", "Text")
    assert mail.outbox[0].to == ["ann@example.com"]
    assert mail.outbox[0].from_email == "QuickScale <site@example.com>"


def test_the_project_owns_the_model():
    assert get_user_model() is User
