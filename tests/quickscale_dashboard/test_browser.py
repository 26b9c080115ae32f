"""The pages in a real browser: accessible, within the window, without errors."""

from __future__ import annotations

import itertools

import pytest
from django.contrib.auth.models import AbstractBaseUser
from playwright.sync_api import Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from quickscale_dashboard.checks import HTMX_MESSAGES
from quickscale_dashboard.registry import NavItem, Panel, everyone, register_temporarily
from tests.browser import BrowserPages, assert_accessible, assert_fits, log_in

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.urls("tests.quickscale_dashboard.urls"),
]

LINK = NavItem("A link", "page", section="public", access=everyone)

# Resolves when HTMX has settled the response, since it listens to the new element only then.
CHANGE_BALANCE = """() => new Promise((done) => {
  document.addEventListener("htmx:afterSettle", () => done(), {once: true});
  document.body.dispatchEvent(new CustomEvent("balance-changed"));
})"""


def test_an_error_page(live_server: LiveServer, browser_page: BrowserPages) -> None:
    page = browser_page(width=390, allow=("status of 400",))
    page.goto(f"{live_server.url}/suspicious/")
    assert_accessible(page)
    assert_fits(page)


@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without"])
def test_the_menu_opens_on_a_phone(
    live_server: LiveServer, browser_page: BrowserPages, javascript: bool
) -> None:
    page = browser_page(width=390, javascript=javascript)
    with register_temporarily(LINK):
        page.goto(live_server.url)
        link = page.locator("header").get_by_role("link", name="A link")
        expect(link).to_be_hidden()
        page.get_by_role("checkbox", name="Menu").check()
        expect(link).to_be_visible()
        link.click()
        expect(page).to_have_url(f"{live_server.url}/page/")


def test_the_menu_announces_its_state_and_closes_on_escape(
    live_server: LiveServer, browser_page: BrowserPages
) -> None:
    page = browser_page(width=390)
    with register_temporarily(LINK):
        page.goto(live_server.url)
        burger = page.get_by_role("checkbox", name="Menu")
        expect(burger).to_have_attribute("aria-expanded", "false")
        burger.focus()
        page.keyboard.press("Space")
        expect(burger).to_have_attribute("aria-expanded", "true")
        assert_accessible(page)
        page.keyboard.press("Escape")
        expect(burger).to_have_attribute("aria-expanded", "false")
        expect(page.locator("header").get_by_role("link", name="A link")).to_be_hidden()


def test_the_account_menu_opens_and_closes(
    live_server: LiveServer, browser_page: BrowserPages, user: AbstractBaseUser
) -> None:
    page = browser_page()
    log_in(page, live_server, user)
    with register_temporarily(NavItem("Mine", "page", section="account")):
        page.goto(f"{live_server.url}/page/")
        link = page.get_by_role("link", name="Mine")
        expect(link).to_be_hidden()
        page.locator("summary", has_text="ada@example.com").click()
        expect(link).to_be_visible()
        assert_accessible(page)
        page.locator("main").click()
        expect(link).to_be_hidden()


def test_the_account_menu_keeps_the_focus_of_the_keyboard(
    live_server: LiveServer, browser_page: BrowserPages, user: AbstractBaseUser
) -> None:
    """Escape returns it to the menu's button, and the menu closes when the focus leaves it."""
    page = browser_page()
    log_in(page, live_server, user)
    with register_temporarily(NavItem("Mine", "page", order=999, section="account")):
        page.goto(f"{live_server.url}/page/")
        summary, link = (
            page.locator("summary", has_text="ada@"),
            page.get_by_role("link", name="Mine"),
        )
        summary.focus()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        page.keyboard.press("Escape")
        expect(link).to_be_hidden()
        expect(summary).to_be_focused()

        page.keyboard.press("Enter")
        link.focus()
        page.keyboard.press("Tab")
        expect(link).to_be_hidden()


def test_the_menu_on_a_phone_returns_the_focus(
    live_server: LiveServer, browser_page: BrowserPages
) -> None:
    page = browser_page(width=390)
    with register_temporarily(LINK):
        page.goto(live_server.url)
        burger = page.get_by_role("checkbox", name="Menu")
        burger.check()
        page.locator("header").get_by_role("link", name="A link").focus()
        page.keyboard.press("Escape")
        expect(burger).to_be_focused()


LONG = [
    NavItem(f"Datenschutzeinstellungen {number}", "page", group=f"Gruppe {number % 3}", icon="key")
    for number in range(12)
]


@pytest.mark.parametrize("size", ["16px", "32px"], ids=["text", "large text"])
@pytest.mark.parametrize("width", [320, 1024, 1280])
def test_the_sidebar_takes_many_long_links(
    live_server: LiveServer,
    browser_page: BrowserPages,
    user: AbstractBaseUser,
    width: int,
    size: str,
) -> None:
    page = browser_page(width=width)
    log_in(page, live_server, user)
    with register_temporarily(*LONG):
        page.goto(f"{live_server.url}/page/")
        page.evaluate(f"document.documentElement.style.fontSize = '{size}'")
        if width < 1024:
            page.get_by_role("checkbox", name="Menu").check()
        assert_fits(page)
        inside = "(links, side) => links.every(e => e.scrollWidth <= e.clientWidth)"
        assert page.locator(".qs-link").evaluate_all(inside)
        for name in ("Datenschutzeinstellungen 7", "Datenschutzeinstellungen 11"):
            link = page.get_by_role("link", name=name)
            link.scroll_into_view_if_needed()
            expect(link).to_be_in_viewport()
        page.locator("summary", has_text="ada@example.com").scroll_into_view_if_needed()
        expect(page.locator("summary", has_text="ada@example.com")).to_be_in_viewport()


def test_high_contrast_shows_the_menu_and_the_edges_of_buttons(
    live_server: LiveServer, browser_page: BrowserPages
) -> None:
    page = browser_page(width=390, forced_colors="active")
    page.goto(f"{live_server.url}/contact/")
    lines = page.locator(".qs-burger svg")
    assert lines.evaluate("e => getComputedStyle(e).stroke !== getComputedStyle(e).backgroundColor")
    expect(lines).to_be_visible()
    button = page.get_by_role("button", name="Send")
    expect(button).to_have_css("border-top-width", "1px")
    edge = "e => getComputedStyle(e).borderTopColor !== getComputedStyle(e).backgroundColor"
    assert button.evaluate(edge)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_print_is_white_and_has_no_forms(
    live_server: LiveServer, browser_page: BrowserPages, theme: str
) -> None:
    page = browser_page(dark=True)
    page.goto(f"{live_server.url}/contact/")
    page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
    page.emulate_media(media="print", color_scheme="dark")
    rgb = "(e, name) => getComputedStyle(e)[name].match(/[\\d.]+/g).map(Number)"
    text = page.locator("h1").evaluate(rgb, "color")
    paper = page.locator("html").evaluate(rgb, "backgroundColor")
    assert max(text[:3]) < 80
    assert paper == [255, 255, 255]
    for part in ("form", "header", "footer"):
        expect(page.locator(part).first).to_be_hidden()


def ground(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))


def test_a_chosen_theme_stays_on_the_next_page(
    live_server: LiveServer, browser_page: BrowserPages
) -> None:
    page = browser_page(dark=False)
    page.goto(live_server.url)
    light = ground(page)
    page.get_by_role("button", name="Change to light").click()
    page.get_by_role("button", name="Change to dark").click()
    dark = ground(page)
    assert dark != light
    page.goto(f"{live_server.url}/about/")
    assert ground(page) == dark
    assert_accessible(page)
    page.get_by_role("button", name="Change to automatic").click()
    assert ground(page) == light


@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without"])
def test_without_a_choice_the_page_follows_the_system(
    live_server: LiveServer, browser_page: BrowserPages, javascript: bool
) -> None:
    grounds = set()
    for dark in (True, False):
        page = browser_page(dark=dark, javascript=javascript)
        page.goto(live_server.url)
        grounds.add(page.locator("html").evaluate("e => getComputedStyle(e).backgroundColor"))
    assert len(grounds) == 2


def test_messages_of_a_fragment_appear_at_once_and_can_be_dismissed(
    live_server: LiveServer, browser_page: BrowserPages, settings: Settings
) -> None:
    if HTMX_MESSAGES not in settings.MIDDLEWARE:
        settings.MIDDLEWARE = [*settings.MIDDLEWARE, HTMX_MESSAGES]
    page = browser_page()
    page.goto(f"{live_server.url}/page/")
    page.evaluate("htmx.ajax('GET', '/fragment/', '#target')")
    expect(page.locator("#target")).to_have_text("Done")
    message = page.locator("#messages").get_by_role("status")
    expect(message).to_contain_text("Three <credits> were used.")
    assert_accessible(page)
    message.get_by_role("button", name="Dismiss").click()
    expect(message).to_have_count(0)


def test_a_request_that_fails_is_reported(
    live_server: LiveServer, browser_page: BrowserPages
) -> None:
    page = browser_page(allow=("status of 500", "Response Status Error Code 500"))
    page.goto(f"{live_server.url}/page/")
    page.evaluate("htmx.ajax('GET', '/broken/', '#target')")
    expect(page.get_by_role("alert")).to_contain_text("That did not work.")
    expect(page.locator("#target")).to_be_empty()


def test_swapping_a_field_that_was_resized_sets_no_inline_style(
    live_server: LiveServer, browser_page: BrowserPages
) -> None:
    page = browser_page()
    page.goto(f"{live_server.url}/contact/")
    page.evaluate("document.getElementById('id_message').style.height = '500px'")
    how = "{target: 'form', swap: 'outerHTML', select: 'form'}"
    page.evaluate(f"htmx.ajax('GET', '/contact/', {how})")
    expect(page.locator("#id_message")).not_to_have_css("height", "500px")
    page.wait_for_timeout(100)  # a violation of the policy would be reported when HTMX settles


@pytest.mark.usefixtures("empty_registry")
def test_a_panel_shows_the_new_balance_without_a_reload(
    live_server: LiveServer,
    browser_page: BrowserPages,
    user: AbstractBaseUser,
    greeting_template: str,
) -> None:
    asked = itertools.count(1)
    page = browser_page()
    log_in(page, live_server, user)
    with register_temporarily(
        Panel("counter", greeting_template, lambda request: {"title": f"Asked {next(asked)}"})
    ):
        page.goto(f"{live_server.url}/dashboard/")
        heading = page.locator("#panel-counter h2")
        expect(heading).to_have_text("Asked 1")
        assert_accessible(page)
        for answer in ("Asked 2", "Asked 3"):
            page.evaluate(CHANGE_BALANCE)
            expect(heading).to_have_text(answer)


def test_the_contact_form_needs_no_javascript(
    live_server: LiveServer, browser_page: BrowserPages, no_mails_counted: None
) -> None:
    page = browser_page(javascript=False)
    page.goto(f"{live_server.url}/contact/")
    page.get_by_label("Name").fill("Grace")
    page.get_by_label("Email address").fill("grace@example.com")
    page.get_by_label("Message").fill("Hello")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#messages").get_by_role("status")).to_contain_text("on its way")


def test_the_helper_reports_what_the_policy_blocks_and_what_the_console_says(
    live_server: LiveServer, browser_page: BrowserPages
) -> None:
    browser_page(allow=("an expected line",)).goto(f"{live_server.url}/careless/")
    told = "\n".join(browser_page.problems)
    browser_page.problems.clear()
    assert "CSP: script-src-elem blocks inline" in told
    assert "CSP: style-src-attr blocks inline" in told
    assert "uncaught" in told
    assert "expected line" not in told


def test_the_helper_reports_barriers(live_server: LiveServer, browser_page: BrowserPages) -> None:
    page = browser_page()
    page.goto(f"{live_server.url}/careless/")
    browser_page.problems.clear()
    with pytest.raises(AssertionError, match="image-alt"):
        assert_accessible(page)
    with pytest.raises(AssertionError, match="wider than the window"):
        assert_fits(page)
