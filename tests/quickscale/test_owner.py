from __future__ import annotations

from types import SimpleNamespace

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser, Group
from django.core.exceptions import ImproperlyConfigured

from quickscale.owner import get_owner, get_owner_model, owner_email, owner_model_name


def group_of_request(*, request):
    return request.group


def test_the_owner_is_the_user_by_default(settings):
    del settings.QUICKSCALE_OWNER_MODEL
    assert owner_model_name() == settings.AUTH_USER_MODEL
    assert get_owner_model() is get_user_model()


def test_the_owner_can_be_any_model(settings):
    settings.QUICKSCALE_OWNER_MODEL = "auth.Group"
    assert get_owner_model() is Group


@pytest.mark.parametrize("name", ["auth.Nothing", "Group", "nowhere.Group"])
def test_an_unknown_owner_model_is_told(settings, name):
    settings.QUICKSCALE_OWNER_MODEL = name
    with pytest.raises(ImproperlyConfigured, match="QUICKSCALE_OWNER_MODEL"):
        get_owner_model()


def test_a_visitor_acts_for_nobody(rf, settings):
    del settings.QUICKSCALE_GET_OWNER
    request = rf.get("/")
    request.user = AnonymousUser()
    assert get_owner(request) is None
    request.user = get_user_model()(email="a@example.com")
    assert get_owner(request) is request.user


def test_the_hook_chooses_the_owner(rf, settings):
    settings.QUICKSCALE_GET_OWNER = f"{__name__}.group_of_request"
    request = rf.get("/")
    request.group = Group(name="team")
    assert get_owner(request) is request.group


@pytest.mark.parametrize(
    ("owner", "email"),
    [
        (SimpleNamespace(email="a@example.com"), "a@example.com"),
        (SimpleNamespace(email=None), ""),
        (SimpleNamespace(), ""),
        (SimpleNamespace(email="no", get_email=lambda: "b@example.com"), "b@example.com"),
    ],
)
def test_owner_email(owner, email):
    assert owner_email(owner) == email
