"""Every account page has one heading, labelled fields with their errors, and no inline code."""

from __future__ import annotations

from pathlib import Path

import allauth.account
import pytest
from allauth.account.decorators import verified_email_required
from allauth.account.models import EmailAddress
from django.core import mail
from django.http import HttpResponse
from django.template.loader import render_to_string
from django.test import override_settings
from django.urls import get_resolver, path, reverse

from quickscale_accounts.testing import UserFactory
from tests.quickscale_accounts.html import Page, assert_sound
from tests.quickscale_accounts.mails import code_in, link_in

pytestmark = pytest.mark.django_db

ALLAUTH_PAGES = sorted(
    f"account/{file.name}"
    for file in (Path(allauth.account.__file__).parents[1] / "templates/account").glob("*.html")
    if not file.name.startswith("base_")
)
# Their URLs exist only with settings that QuickScale doesn't need.
NEED_OTHER_URLS = {
    "account/confirm_phone_verification_code.html",
    "account/phone_change.html",
    "account/request_login_code.html",
    "account/signup_by_passkey.html",
    "account/confirm_password_reset_code.html",
}

OPEN = [
    "account_login",
    "account_signup",
    "account_reset_password",
    "account_reset_password_done",
    "account_reset_password_from_key_done",
    "account_inactive",
]
OWN = [
    "quickscale_accounts:overview",
    "account_email",
    "account_change_password",
    "account_logout",
    "account_reauthenticate",
    "socialaccount_connections",
]


@pytest.mark.parametrize("template", sorted(set(ALLAUTH_PAGES) - NEED_OTHER_URLS))
def test_every_page_of_the_installed_allauth_has_our_layout(template, rf):
    request = rf.get("/")
    request.session = {}
    request.user = UserFactory()
    page = assert_sound(HttpResponse(render_to_string(template, request=request)))
    assert "account-page" in page.ids()


@pytest.mark.parametrize("url_name", OPEN)
def test_open_pages(client, url_name):
    response = client.get(reverse(url_name))
    assert response.status_code == 200
    assert_sound(response)


@pytest.mark.parametrize("url_name", OWN)
def test_own_pages(client, url_name):
    client.force_login(UserFactory())
    response = client.get(reverse(url_name))
    assert response.status_code == 200
    assert_sound(response)


@pytest.mark.parametrize("url_name", OWN[:3])
def test_own_pages_ask_a_visitor_to_sign_in(client, url_name):
    url = reverse(url_name)
    assert client.get(url).url == f"{reverse('account_login')}?next={url}"


def test_set_a_first_password(client):
    user = UserFactory()
    user.set_unusable_password()
    user.save()
    client.force_login(user)

    assert client.get(reverse("account_change_password")).url == reverse("account_set_password")
    assert_sound(client.get(reverse("account_set_password")))
    assert "Set password" in client.get(reverse("quickscale_accounts:overview")).content.decode()


@pytest.mark.usefixtures("by_link")
def test_confirmation_pages_and_bad_link(client):
    assert_sound(client.get(reverse("account_email_verification_sent")))
    user = UserFactory(verified=False)
    client.post(reverse("account_login"), {"login": user.email, "password": "password"})
    link = link_in(mail.outbox[0])
    assert_sound(client.get(link))
    assert_sound(client.get("/accounts/confirm-email/nonsense/"))


def test_reset_page_and_bad_link(client):
    user = UserFactory()
    client.post(reverse("account_reset_password"), {"email": user.email})
    link = link_in(mail.outbox[0])
    assert_sound(client.get(link, follow=True))
    assert_sound(client.get("/accounts/password/reset/key/1-nonsense/"))


def test_a_pending_change_of_address(client):
    user = UserFactory(email="ann@example.com")
    EmailAddress.objects.create(user=user, email="new@example.com")
    client.force_login(user)

    response = client.get(reverse("account_email"))

    page = assert_sound(response)
    assert "new@example.com" in response.content.decode()
    assert page.find("button", name="action_remove")


@override_settings(QUICKSCALE_ACCOUNTS_SIGNUP_ALLOWED="tests.quickscale_accounts.hooks.nobody")
def test_closed_sign_up(client):
    assert_sound(client.get(reverse("account_signup")))


@override_settings(ACCOUNT_RATE_LIMITS={"login": "1/m/ip"})
def test_rate_limit_page(client):
    for _ in range(2):
        response = client.post(reverse("account_login"), {"login": "a@example.com"})
    assert response.status_code == 429
    assert_sound(response)
    assert "Too many attempts" in response.content.decode()


@verified_email_required
def members_only(request):
    return HttpResponse("members")


@pytest.fixture
def members_site(settings):
    class Urls:
        urlpatterns = [
            *get_resolver().url_patterns,
            path("members/", members_only),
        ]

    settings.ROOT_URLCONF = Urls


def test_verified_address_required(client, members_site):
    client.force_login(UserFactory(verified=False))
    response = client.get("/members/", follow=True)
    page = assert_sound(response)
    field = page.find("input", name="next")[0]
    data = {"code": code_in(mail.outbox[0]), "next": field["value"]}
    response = client.post(response.request["PATH_INFO"], data, follow=True)
    assert response.text == "members"


@pytest.mark.usefixtures("by_link", "members_site")
def test_verified_address_required_by_link(client):
    client.force_login(UserFactory(verified=False))
    response = client.get("/members/")
    assert_sound(response)
    assert "Verify your email address" in response.text


def test_errors_are_tied_to_their_fields_and_announced(client):
    data = {"email": "nonsense", "password1": "x1"}
    page = assert_sound(client.post(reverse("account_signup"), data))

    [email] = page.find("input", name="email")
    assert email["aria-invalid"] == "true"
    assert email["aria-describedby"] == "id_email_error"
    assert "autofocus" in email
    assert page.find("ul", id="id_email_error")
    assert page.find("div", role="alert")
    [password] = page.find("input", name="password1")
    assert password["aria-describedby"] == "id_password1_helptext id_password1_error"
    assert "autofocus" not in password


def test_errors_of_the_form_are_announced(client):
    response = client.post(
        reverse("account_login"), {"login": "ann@example.com", "password": "wrong"}
    )
    assert Page(response).find("div", role="alert")


@pytest.mark.parametrize(
    ("url_name", "field", "autocomplete"),
    [
        ("account_login", "login", "email"),
        ("account_login", "password", "current-password"),
        ("account_signup", "email", "email"),
        ("account_signup", "password1", "new-password"),
        ("account_reset_password", "email", "email"),
    ],
)
def test_browsers_and_password_managers_know_the_fields(client, url_name, field, autocomplete):
    page = Page(client.get(reverse(url_name)))
    assert page.find("input", name=field)[0]["autocomplete"] == autocomplete


def test_the_sign_in_has_the_usual_order(client):
    text = client.get(reverse("account_login")).text
    main = text[text.index("<h1") :]
    fields = ["Email", "Password", "Remember me", 'type="submit"']
    links = ["Forgot your password?", "Create an account"]
    places = [main.index(words) for words in fields + links]
    assert places == sorted(places)


class NoSpaces:
    """A validator that the site added."""

    def validate(self, password, user=None):
        pass

    def get_help_text(self):
        return "No spaces & tabs."


def test_a_new_password_has_one_line_of_help_and_the_rules_of_the_site(client, settings):
    minimum = {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    }
    settings.AUTH_PASSWORD_VALIDATORS = [
        minimum,
        {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
        {"NAME": f"{__name__}.NoSpaces"},
    ]
    response = client.get(reverse("account_signup"))
    assert response.context["form"]["password1"].help_text == (
        '<span class="qs-least" data-least="12">At least 12 characters</span>'
        "<br>No spaces &amp; tabs."
    )
    assert "No spaces &amp; tabs." in response.text
    assert "numeric" not in assert_sound(response).find("input", name="password1")[0]


def test_every_password_can_be_shown_and_nothing_else(client):
    client.force_login(UserFactory())
    page = assert_sound(client.get(reverse("account_change_password")))
    ids = [field["id"] for field in page.find("input", type="password")]
    buttons = page.find("button", **{"aria-pressed": "false"})
    assert [button["aria-controls"] for button in buttons] == ids
    assert len(ids) == 3


def test_next_is_kept_from_sign_in_to_sign_up(client):
    page = Page(client.get(reverse("account_login"), {"next": "/users/"}))
    assert page.find("input", name="next", value="/users/")
    assert page.find("a", href=f"{reverse('account_signup')}?next=%2Fusers%2F")
    assert page.find("a", href=f"{reverse('account_reset_password')}?next=%2Fusers%2F")


def test_tabs_mark_the_current_page(client):
    client.force_login(UserFactory())
    page = Page(client.get(reverse("account_email")))
    tabs = [a["href"] for a in page.find("a") if a.get("aria-current") == "page"]
    assert reverse("account_email") in tabs


def test_overview_lists_the_addresses(client):
    user = UserFactory(email="ann@example.com")
    EmailAddress.objects.create(user=user, email="other@example.com")
    client.force_login(user)
    html = client.get(reverse("quickscale_accounts:overview")).content.decode()
    assert "ann@example.com" in html
    assert "other@example.com" in html
    assert "Not verified" in html
    assert "Primary" in html


@pytest.fixture
def site_templates(settings, tmp_path):
    """A folder of templates that precedes every app's, as a site's own does."""
    [engine] = settings.TEMPLATES
    settings.TEMPLATES = [{**engine, "DIRS": [tmp_path, *engine["DIRS"]]}]
    return tmp_path


def test_a_site_replaces_one_block(client, site_templates):
    (site_templates / "account").mkdir()
    (site_templates / "account" / "signup.html").write_text(
        '{% extends "account/signup.html" %}'
        "{% block content %}{{ block.super }}<p>These are our terms.</p>{% endblock %}"
    )
    html = client.get(reverse("account_signup")).content.decode()
    assert "Create your account" in html
    assert "<p>These are our terms.</p>" in html


def test_a_site_without_the_dashboard_needs_title_and_content_only(client, site_templates):
    (site_templates / "base.html").write_text(
        "<title>{% block title %}{% endblock %}</title>{% block content %}{% endblock %}"
    )
    response = client.get(reverse("account_login"))
    assert response.content.decode().lstrip().startswith("<title>Sign in</title>")
    assert_sound(response)
