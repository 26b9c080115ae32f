"""A brand reaches the pages and the admin, readable in light and dark."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from quickscale.internal.colors import contrast
from tests.browser import BrowserPages, assert_accessible, log_in

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.urls("tests.projects.everything.urls"),
]

YELLOW, NAVY = "#ffd400", "#0b1f4b"
COLOR = """element => {
  const [red, green, blue] = getComputedStyle(element).backgroundColor.match(/\\d+/g);
  return "#" + [red, green, blue].map((n) => Number(n).toString(16).padStart(2, "0")).join("");
}"""


@pytest.fixture(params=[YELLOW, NAVY], ids=["yellow", "navy"])
def color(request: pytest.FixtureRequest, settings: Settings) -> str:
    color: str = request.param
    settings.QUICKSCALE_BRAND = {"name": "Parrots", "color": color, "font": "Georgia, serif"}
    return color


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_pages_are_readable_in_the_brands_colour(
    live_server: LiveServer,
    browser_page: BrowserPages,
    user: AbstractBaseUser,
    color: str,
    dark: bool,
) -> None:
    page = browser_page(dark=dark)
    for path in ("/", "/accounts/login/", "/contact/"):
        page.goto(live_server.url + path)
        assert_accessible(page, rules=["color-contrast"])
    log_in(page, live_server, user)
    page.goto(f"{live_server.url}/dashboard/")
    assert_accessible(page, rules=["color-contrast"])
    assert page.evaluate("getComputedStyle(document.body).fontFamily") == "Georgia, serif"
    if not dark:
        page.goto(f"{live_server.url}/contact/")
        assert near(page.get_by_role("button", name="Send").evaluate(COLOR), color)


@pytest.mark.parametrize("color", ["#777777", YELLOW, NAVY])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_button_can_be_read_under_the_pointer(
    live_server: LiveServer,
    browser_page: BrowserPages,
    settings: Settings,
    color: str,
    dark: bool,
) -> None:
    settings.QUICKSCALE_BRAND = {"name": "Parrots", "color": color, "color_dark": color}
    page = browser_page(dark=dark, reduced_motion="reduce")
    page.goto(f"{live_server.url}/contact/")
    button = page.get_by_role("button", name="Send")
    before = button.evaluate(COLOR)
    button.hover()
    page.wait_for_timeout(300)
    text = button.evaluate(COLOR.replace("backgroundColor", "color"))
    assert button.evaluate(COLOR) != before
    assert contrast(button.evaluate(COLOR), text) >= 4.5


def near(found: str, color: str) -> bool:
    """Return whether two colours differ only by the rounding of the style sheet."""
    pairs = zip(bytes.fromhex(found[1:]), bytes.fromhex(color[1:]), strict=True)
    return all(abs(a - b) <= 2 for a, b in pairs)


@pytest.mark.parametrize("chosen", ["light", "dark"])
def test_a_visitor_may_choose_the_other_mode(
    live_server: LiveServer, browser_page: BrowserPages, color: str, chosen: str
) -> None:
    page = browser_page(dark=chosen == "light")
    page.add_init_script(f"localStorage.setItem('quickscale-theme', '{chosen}')")
    for path in ("/", "/contact/"):
        page.goto(live_server.url + path)
        assert_accessible(page, rules=["color-contrast"])


def test_high_contrast_has_the_systems_colours(
    live_server: LiveServer, browser_page: BrowserPages, color: str
) -> None:
    page = browser_page(forced_colors="active")
    page.goto(f"{live_server.url}/contact/")
    assert_accessible(page)
    assert not near(page.get_by_role("button", name="Send").evaluate(COLOR), color)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_admin_has_the_brand(
    live_server: LiveServer, browser_page: BrowserPages, color: str, dark: bool
) -> None:
    staff = get_user_model().objects.create_superuser(email="staff@example.com", password="x")
    # The admin's own forms.css imports another file, which the checker inlines.
    page = browser_page(dark=dark, allow=["inline style", "style-src-elem"])
    log_in(page, live_server, staff)
    for path in (
        "/admin/",
        "/admin/quickscale_credits/service/",
        "/admin/quickscale_credits/service/add/",
    ):
        page.goto(live_server.url + path)
        assert page.locator("#header").evaluate(COLOR) == color
        assert_accessible(page)
    assert "Parrots" in page.title()
