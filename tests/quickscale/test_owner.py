from __future__ import annotations

from types import SimpleNamespace

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser, Group
from django.core.exceptions import ImproperlyConfigured

from quickscale.admin.search import owner_search_fields
from quickscale.internal.owners import OwnerNotFoundError, find_owner
from quickscale.owner import (
    get_owner,
    get_owner_model,
    owner_email,
    owner_model_name,
    owners_of_user,
)


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
def test_an_unknown_owner_model_is_reported(settings, name):
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


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("owners", "message"),
    [([], "acts for no owner"), (["Blue", "Red"], r"several owners.*Blue.*Red")],
)
def test_a_user_who_stands_for_none_or_several_is_refused(settings, owners, message, make_user):
    user = make_user("ada@example.com")
    settings.QUICKSCALE_OWNERS_OF_USER = lambda *, user: [Group(pk=1, name=name) for name in owners]

    with pytest.raises(OwnerNotFoundError, match=message):
        find_owner(user.email)


@pytest.mark.django_db
def test_a_user_stands_for_the_owner_that_the_hook_returns(settings, make_user):
    user, team = make_user("ada@example.com"), Group(pk=1, name="Blue")
    settings.QUICKSCALE_GET_OWNER = f"{__name__}.refuses_made_up_requests"
    settings.QUICKSCALE_OWNERS_OF_USER = lambda *, user: [team]

    assert find_owner(user.email) == team


def refuses_made_up_requests(*, request):
    return request.session["team"]


def test_users_stand_for_themselves_where_they_are_the_owners(settings):
    del settings.QUICKSCALE_OWNER_MODEL
    user = get_user_model()()
    assert owners_of_user(user) == [user]
    settings.QUICKSCALE_OWNER_MODEL = "auth.Group"
    assert owners_of_user(user) == []


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        (["name", "=members__email"], ["owner__name", "=owner__members__email", "=owner__pk"]),
        ([], ["owner__name", "=owner__pk"]),
    ],
)
def test_an_admin_finds_owners_as_their_own_admin_does(settings, monkeypatch, own, expected):
    settings.QUICKSCALE_OWNER_MODEL = "auth.Group"
    monkeypatch.setattr(admin.site.get_model_admin(Group), "search_fields", own)

    assert owner_search_fields("owner__") == expected
