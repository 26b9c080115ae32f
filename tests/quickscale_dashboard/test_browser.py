"""The pages in a real browser: accessible, within the window, without a complaint."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page
from pytest_django.live_server_helper import LiveServer

from tests.browser import assert_accessible, assert_fits

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

MakePage = Callable[..., Page]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("path", ["/", "/about/", "/contact/", "/no-such-page/"])
def test_public_pages(
    live_server: LiveServer, browser_page: MakePage, path: str, width: int, dark: bool
) -> None:
    page = browser_page(width=width, dark=dark, allow=("status of 404",))
    page.goto(live_server.url + path)
    assert_accessible(page)
    assert_fits(page)
