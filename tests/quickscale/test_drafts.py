"""What a person typed is kept in the session, and only this person gets it back."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends import signed_cookies
from django.http import HttpRequest
from django.test import RequestFactory

from quickscale import drafts
from tests.owners import make_user

pytestmark = pytest.mark.django_db

TYPED = {"text": ["one", "two"], "check": ["on"]}


@pytest.fixture
def user(db: None) -> Any:
    return make_user("ann@example.com")


@pytest.fixture
def session() -> Any:
    return import_module(settings.SESSION_ENGINE).SessionStore()


def at(path: str, user: Any, session: Any) -> HttpRequest:
    request = RequestFactory().get(path)
    request.user, request.session = user, session
    return request


def test_a_draft_is_found_on_its_page_until_it_is_discarded(user: Any, session: Any) -> None:
    drafts.keep(at("/use/?a=1", user, session), title="Use", values=TYPED)

    found = drafts.find(at("/use/", user, session))
    assert found == drafts.Draft("/use/", "Use", TYPED)
    assert drafts.find(at("/other/", user, session)) is None

    drafts.discard(at("/other/", user, session))
    assert drafts.find(at("/use/", user, session)) == found
    drafts.discard(at("/use/", user, session))
    assert drafts.find(at("/use/", user, session)) is None
    assert drafts.last(at("/", user, session)) is None


def test_a_page_has_one_draft_and_a_session_a_few(user: Any, session: Any) -> None:
    for number in range(5):
        drafts.keep(at(f"/{number}/", user, session), title=str(number), values={})
    drafts.keep(at("/3/", user, session), title="3", values=TYPED)

    kept = [drafts.find(at(f"/{number}/", user, session)) for number in range(5)]
    assert [draft and draft.title for draft in kept] == [None, None, "2", "3", "4"]
    last = drafts.last(at("/", user, session))
    assert last
    assert last.values == TYPED


def test_another_user_of_the_same_session_gets_nothing(user: Any, session: Any) -> None:
    drafts.keep(at("/use/", user, session), title="Use", values=TYPED)

    for other in (make_user("bob@example.com"), AnonymousUser()):
        assert drafts.find(at("/use/", other, session)) is None
        assert drafts.last(at("/use/", other, session)) is None


def test_it_ends(user: Any, session: Any) -> None:
    drafts.keep(at("/use/", user, session), title="Use", values=TYPED)
    [row] = session["quickscale_drafts"]

    row["at"] -= drafts.LIFETIME.total_seconds() - 60
    assert drafts.find(at("/use/", user, session))
    row["at"] -= 61
    assert drafts.find(at("/use/", user, session)) is None


def test_what_is_too_large_leaves_the_way_back(user: Any, session: Any) -> None:
    large = {"text": ["a" * drafts.MAX_CHARACTERS]}

    kept = drafts.keep(at("/use/", user, session), title="Use", values=large)

    assert kept.values == {}
    assert drafts.last(at("/", user, session)) == kept


def test_a_cookie_has_no_room_for_text(user: Any) -> None:
    session = signed_cookies.SessionStore()

    drafts.keep(at("/use/", user, session), title="Use", values=TYPED)

    assert drafts.last(at("/", user, session)) == drafts.Draft("/use/", "Use", {})


@pytest.mark.parametrize("url", ["https://evil.example/", "//evil.example/", "javascript:alert(1)"])
def test_the_way_back_never_leaves_the_site(user: Any, session: Any, url: str) -> None:
    drafts.keep(at("/use/", user, session), title="Use", values=TYPED)
    for row in session["quickscale_drafts"]:
        row["url"] = url

    assert drafts.last(at("/", user, session)) is None


def test_without_a_session_there_is_nothing(user: Any) -> None:
    request = RequestFactory().get("/")
    request.user = user

    assert drafts.last(request) is None
