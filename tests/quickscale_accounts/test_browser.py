"""What only a browser can test: HTMX, the hints of a password, the policy, and accessibility."""

from __future__ import annotations

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.core.cache import cache
from django.urls import reverse
from playwright.sync_api import expect

from quickscale_accounts.testing import UserFactory
from tests.browser import assert_accessible, assert_fits, log_in
from tests.looks import site_of
from tests.quickscale_accounts.mails import code_in

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.xdist_group("browser"),
]

OWN = ["quickscale_accounts:overview", "account_email", "account_change_password"]


def sign_in(page, server, password="password"):
    page.goto(server.url + reverse("account_login"))
    fill_in(page, password)


def fill_in(page, password):
    page.get_by_label("Email").fill("ann@example.com")
    page.get_by_label("Password", exact=True).fill(password)
    page.locator("main").get_by_role("button", name="Sign in").click()


def test_a_mistake_changes_the_form_only_and_success_the_page(live_server, browser_page):
    UserFactory(email="ann@example.com")
    page = browser_page()
    page.goto(live_server.url + reverse("account_login"))
    page.evaluate("window.untouched = true")
    fill_in(page, "wrong")
    expect(page.locator("main").get_by_role("alert")).to_contain_text("not correct")
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    assert page.evaluate("window.untouched")

    page.get_by_label("Password", exact=True).fill("password")
    page.locator("main").get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/dashboard/")
    messages = page.locator("#messages").get_by_role("status")
    expect(messages).to_contain_text("Successfully signed in")


@pytest.mark.parametrize("javascript", [True, False], ids=["htmx", "without-javascript"])
def test_sign_up_to_sign_out(live_server, browser_page, javascript):
    page = browser_page(javascript=javascript, width=390)
    page.goto(live_server.url + reverse("account_login") + "?next=/users/")
    page.get_by_role("link", name="Create an account").click()
    page.get_by_label("Email").fill("ann@example.com")
    page.get_by_label("Password", exact=True).fill("short")
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_label("Password", exact=True)).to_be_focused()
    expect(page.get_by_text("This password is too short.")).to_be_visible()

    page.get_by_label("Password", exact=True).fill("correct horse battery")
    page.get_by_role("button", name="Create account").click()
    code = page.get_by_label("Code")
    expect(code).to_be_focused()
    code.fill("wrong")
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_role("main").get_by_role("alert")).to_contain_text("Incorrect code.")
    expect(code).to_be_focused()

    cache.clear()  # allauth sends one mail in ten seconds
    page.get_by_role("button", name="Send again").click()
    expect(page.get_by_text("We have sent you a new code.")).to_be_visible()
    code.fill(code_in(mail.outbox[1]))
    code.press("Enter")
    page.wait_for_url("**/users/")

    page.goto(live_server.url + reverse("account_logout"))
    page.locator("main").get_by_role("button", name="Sign out").click()
    page.wait_for_url(live_server.url + "/")


def test_the_rate_limit_page_is_shown_by_htmx_too(live_server, browser_page, settings):
    settings.ACCOUNT_RATE_LIMITS = {"login": "1/m/ip"}
    page = browser_page(allow=("429",))
    sign_in(page, live_server)
    expect(page.locator("main").get_by_role("alert")).to_contain_text("not correct")
    page.get_by_label("Password", exact=True).fill("password")
    page.locator("main").get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Too many attempts")


@pytest.fixture(params=["bulma", "bootstrap5", "plain"])
def sign_up_page(request, settings, live_server, browser_page):
    settings.QUICKSCALE_ELEMENTS = request.param
    page = browser_page()
    page.goto(live_server.url + reverse("account_signup"))
    return page


def mark(locator):
    return locator.evaluate("hint => getComputedStyle(hint, '::before').content[1]")


def test_the_hint_of_a_password_has_a_tick_once_it_is_met(sign_up_page):
    hint = sign_up_page.get_by_text("At least 8 characters", exact=True)
    field = sign_up_page.get_by_label("Password", exact=True)
    for password, sign in [("", "○"), ("seven77", "○"), ("eight888", "✓"), ("seven77", "○")]:
        field.fill(password)
        assert mark(hint) == sign


def test_the_errors_of_a_password_replace_its_hint_until_it_changes(sign_up_page):
    hint = sign_up_page.get_by_text("At least 8 characters", exact=True)
    field = sign_up_page.get_by_label("Password", exact=True)
    sign_up_page.get_by_label("Email").fill("ann@example.com")
    field.fill("short")
    sign_up_page.get_by_role("button", name="Create account").click()
    error = sign_up_page.get_by_text("This password is too short.")
    expect(error).to_be_visible()
    expect(hint).to_be_hidden()
    expect(field).to_have_attribute("aria-invalid", "true")

    field.press_sequentially("e")
    expect(error).to_be_hidden()
    expect(hint).to_be_visible()
    expect(field).not_to_have_attribute("aria-invalid", "true")


def test_a_password_can_be_shown_with_the_keyboard_alone(sign_up_page):
    page = sign_up_page
    field = page.get_by_label("Password", exact=True)
    page.get_by_label("Email").focus()
    page.keyboard.type("ann@example.com")
    page.keyboard.press("Tab")
    page.keyboard.type("correct horse battery")
    page.keyboard.press("Tab")
    button = page.get_by_role("button", name="Show password")
    expect(button).to_be_focused()
    page.keyboard.press("Space")
    expect(field).to_have_attribute("type", "text")
    expect(button).to_have_attribute("aria-pressed", "true")
    assert_accessible(page)
    page.keyboard.press("Space")
    expect(field).to_have_attribute("type", "password")
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Code")).to_be_focused()


def test_without_javascript_no_button_promises_to_show_the_password(live_server, browser_page):
    page = browser_page(javascript=False)
    page.goto(live_server.url + reverse("account_signup"))
    expect(page.get_by_text("At least 8 characters", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Show password")).to_have_count(0)


@pytest.mark.parametrize("url_name", ["account_login", "account_signup", "account_reset_password"])
def test_fingers_find_everything(live_server, browser_page, url_name):
    page = browser_page(width=390, has_touch=True, is_mobile=True)
    page.goto(live_server.url + reverse(url_name))
    targets = "a, button, label:has(input), input:not([type=hidden], [type=checkbox])"
    found = page.locator("#account-page").locator(targets).all()
    assert found
    for target in found:
        assert target.bounding_box()["height"] >= 44, target.evaluate("e => e.outerHTML")


def assert_sound(page, server, *url_names):
    for url_name in url_names:
        page.goto(server.url + reverse(url_name))
        assert_accessible(page)
        assert_fits(page)


def asked_for_a_code(page, server):
    """Sign up, and enter a wrong code."""
    page.goto(server.url + reverse("account_signup"))
    page.get_by_label("Email").fill("bob@example.com")
    page.get_by_label("Password", exact=True).fill("correct horse battery")
    page.get_by_role("button", name="Create account").click()
    page.get_by_label("Code").fill("wrong")
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_role("main").get_by_role("alert")).to_be_visible()


def test_pages_with_errors_are_accessible(live_server, browser_page):
    page = browser_page(width=390, dark=True)
    asked_for_a_code(page, live_server)
    assert_accessible(page)
    assert_fits(page)
    page.get_by_role("button", name="Use another one").click()
    page.wait_for_url("**" + reverse("account_signup"))
    UserFactory(email="ann@example.com")
    sign_in(page, live_server, "wrong")
    expect(page.locator("main").get_by_role("alert")).to_be_visible()
    assert_accessible(page)
    page.get_by_label("Password", exact=True).fill("password")
    page.locator("main").get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/dashboard/")


@pytest.fixture(params=[("bootstrap5", "bootstrap5"), ("bootstrap3", "plain")], ids="-".join)
def other_site(request, settings):
    yield from site_of(*request.param, settings)


def test_pages_are_accessible_in_sites_with_another_look(live_server, browser_page, other_site):
    page = browser_page(width=390)
    assert_sound(page, live_server, "account_login", "account_signup", "account_reset_password")
    asked_for_a_code(page, live_server)
    assert_accessible(page)
    assert_fits(page)
    user = UserFactory()
    EmailAddress.objects.create(user=user, email="new@example.com")
    log_in(page, live_server, user)
    assert_sound(page, live_server, *OWN)
