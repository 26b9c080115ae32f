from __future__ import annotations

import pytest
from django.contrib.messages import constants
from django.contrib.messages.storage.base import Message
from django.template.loader import render_to_string
from django.test import Client
from pytest_django import Settings

from quickscale_dashboard.checks import HTMX_MESSAGES
from tests.markup import problems_of_fragment

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.quickscale_dashboard.urls")]

HTMX = {"HX-Request": "true", "X-Shows-Messages": "true"}
SHOWN = "Three &lt;credits&gt; were used."


@pytest.fixture(autouse=True)
def with_middleware(settings: Settings) -> None:
    if HTMX_MESSAGES not in settings.MIDDLEWARE:
        settings.MIDDLEWARE = [*settings.MIDDLEWARE, HTMX_MESSAGES]


def test_messages_come_with_the_fragment_and_only_once(client: Client) -> None:
    text = client.get("/fragment/", headers=HTMX).text
    assert text.startswith("<p>Done</p>")
    assert '<div id="messages" hx-swap-oob="true">' in text
    assert SHOWN in text
    assert problems_of_fragment(text) == []
    assert SHOWN not in client.get("/page/").text


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("", {}),
        ("", HTMX | {"HX-Boosted": "true"}),
        ("?HX-Redirect=/page/", HTMX),
        ("", {"HX-Request": "true"}),
    ],
    ids=["not HTMX", "boosted", "redirected by HTMX", "a page without a place for them"],
)
def test_messages_wait_for_the_next_full_page(
    client: Client, query: str, headers: dict[str, str]
) -> None:
    assert SHOWN not in client.get(f"/fragment/{query}", headers=headers).text
    assert SHOWN in client.get("/page/").text


def test_a_fragment_without_messages_is_left_alone(client: Client) -> None:
    assert "messages" not in client.get("/healthz", headers=HTMX).text


@pytest.mark.parametrize(
    ("level", "css", "role"),
    [
        (constants.DEBUG, 'class="qs-alert qs-tint"', "status"),
        (constants.INFO, 'class="qs-alert qs-tint qs-info"', "status"),
        (constants.SUCCESS, 'class="qs-alert qs-tint qs-success"', "status"),
        (constants.WARNING, 'class="qs-alert qs-tint qs-warning"', "alert"),
        (constants.ERROR, 'class="qs-alert qs-tint qs-danger"', "alert"),
    ],
)
@pytest.mark.parametrize("tags", [constants.DEFAULT_TAGS, {constants.ERROR: "danger"}])
def test_each_level_has_its_colour_and_role_for_any_tag(
    settings: Settings, level: int, css: str, role: str, tags: dict[int, str]
) -> None:
    settings.MESSAGE_TAGS = tags
    html = render_to_string(
        "quickscale_dashboard/_messages.html", {"messages": [Message(level, "Read me")]}
    )
    assert css in html
    assert f'role="{role}"' in html
