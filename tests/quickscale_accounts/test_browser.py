"""What only a browser can test: HTMX, the strength meter, the policy, and accessibility."""

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
    page.get_by_label("Password").fill(password)
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

    page.get_by_label("Password").fill("password")
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
    page.get_by_label("Password").fill("password")
    page.locator("main").get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Too many attempts")


def test_the_strength_of_a_password_is_shown(live_server, browser_page):
    page = browser_page()
    page.goto(live_server.url + reverse("account_signup"))
    meter = page.locator("#account-page").get_by_role("status")
    expect(meter).to_be_hidden()
    field = page.get_by_label("Password", exact=True)
    for password, words in [
        ("aaaaaaaaaaaa", "Weak password"),
        ("hunter22", "Weak password"),
        ("hunter2218", "Fair password"),
        ("hunter22 is", "Good password"),
        ("Hunter22 is in", "Strong password"),
    ]:
        field.fill(password)
        expect(meter).to_have_text(words)
    field.fill("")
    expect(meter).to_be_hidden()


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


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_pages_are_accessible(live_server, browser_page, width, dark):
    page = browser_page(width=width, dark=dark)
    assert_sound(page, live_server, "account_signup", "account_reset_password")
    asked_for_a_code(page, live_server)
    assert_accessible(page)
    assert_fits(page)
    page.get_by_role("button", name="Use another one").click()
    page.wait_for_url("**" + reverse("account_signup"))
    UserFactory(email="ann@example.com")
    sign_in(page, live_server, "wrong")
    expect(page.locator("main").get_by_role("alert")).to_be_visible()
    assert_accessible(page)
    page.get_by_label("Password").fill("password")
    page.locator("main").get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/dashboard/")
    assert_sound(page, live_server, *OWN)


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
