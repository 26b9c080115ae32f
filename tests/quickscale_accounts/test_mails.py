from __future__ import annotations

import importlib
import re
from pathlib import Path

import allauth.account
import pytest
from allauth.account.adapter import get_adapter
from allauth.core import context
from django.core import mail
from django.template.loader import get_template
from django.urls import include, path, reverse

from quickscale.internal import mail_samples
from quickscale_accounts import urls
from quickscale_accounts.internal.mail_samples import SAMPLES, render_sample, sample_context
from quickscale_accounts.testing import UserFactory
from tests.mailbox import no_mail_server

pytestmark = pytest.mark.django_db

ALLAUTH_MAILS = sorted(
    file.name.removesuffix("_message.txt")
    for file in (Path(allauth.account.__file__).parents[1] / "templates/account/email").glob(
        "*_message.txt"
    )
    if not file.name.startswith("base_")
)


@pytest.fixture
def request_in_context(rf):
    request = rf.get("/")
    with context.request_context(request):
        yield request


def test_every_mail_of_the_installed_allauth_has_a_sample():
    assert sorted(SAMPLES) == ALLAUTH_MAILS


@pytest.mark.parametrize("name", SAMPLES)
def test_every_mail_is_ours_in_text_and_html(request_in_context, name, settings):
    settings.QUICKSCALE_BRAND_NAME = "Tom & Co"

    message = render_sample(request_in_context, f"account/email/{name}")

    for part in ("subject.txt", "message.txt", "message.html"):
        origin = get_template(f"account/email/{name}_{part}").origin.name
        assert "quickscale_accounts" in origin
    [html] = message.alternatives
    assert html.mimetype == "text/html"
    assert html.content.startswith("<!DOCTYPE html>")
    assert html.content.count("<h1") == 1
    assert "Tom &amp; Co" in html.content
    assert "Tom & Co" in message.body
    assert "<" not in message.body
    assert "&amp;" not in message.body
    assert "\n" not in message.subject
    assert message.from_email == "Tom & Co <site@example.com>"


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("email_confirmation", "code"),
        ("email_confirmation_signup", "code"),
        ("password_reset_key", "password_reset_url"),
        ("account_already_exists", "password_reset_url"),
        ("unknown_account", "signup_url"),
        ("login_code", "code"),
        ("password_reset_code", "code"),
    ],
)
def test_both_parts_have_what_the_reader_needs(request_in_context, name, key):
    message = render_sample(request_in_context, f"account/email/{name}")
    needed = sample_context(request_in_context)[key]
    assert needed in message.body
    assert needed in message.alternatives[0].content


@pytest.mark.parametrize("name", ["email_confirmation", "email_confirmation_signup"])
def test_a_site_that_sends_links_previews_them(request_in_context, name, settings):
    settings.ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = False
    message = render_sample(request_in_context, f"account/email/{name}")
    link = sample_context(request_in_context)["activate_url"]
    assert link in message.body
    assert link in message.alternatives[0].content


def test_notices_say_where_the_change_came_from(request_in_context):
    message = render_sample(request_in_context, "account/email/password_changed")
    assert "203.0.113.7" in message.body
    assert "203.0.113.7" in message.alternatives[0].content


def test_a_name_in_default_from_email_is_kept(request_in_context, settings):
    settings.DEFAULT_FROM_EMAIL = "Support <help@example.com>"
    message = render_sample(request_in_context, "account/email/password_changed")
    assert message.from_email == "Support <help@example.com>"


def test_a_subject_prefix_of_the_site_is_kept(request_in_context, settings):
    settings.ACCOUNT_EMAIL_SUBJECT_PREFIX = "[Staging] "
    message = render_sample(request_in_context, "account/email/password_changed")
    assert message.subject == "[Staging] Your password was changed"


def test_mail_outside_a_request(settings):
    settings.QUICKSCALE_BRAND_NAME = "Tom & Co"
    message = get_adapter().render_mail("account/email/login_code", "a@example.com", {"code": "1"})
    assert "Tom & Co" in message.body
    assert "https://testserver" in message.body


def test_mail_in_a_request_names_the_site_of_the_request(request_in_context):
    message = render_sample(request_in_context, "account/email/login_code")
    assert "http://testserver/" in message.body.splitlines()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("login_code", "You get this email because you have an account at QuickScale."),
        (
            "unknown_account",
            "You get this email because somebody entered your address at QuickScale.",
        ),
    ],
)
def test_a_mail_says_why_it_comes(request_in_context, name, reason):
    message = render_sample(request_in_context, f"account/email/{name}")
    assert reason in message.body
    assert reason in message.alternatives[0].content


@pytest.fixture
def in_development(settings):
    """The URLs with DEBUG, which they read when they are imported."""
    settings.DEBUG = True
    development = importlib.reload(urls)

    site = importlib.import_module(settings.ROOT_URLCONF).urlpatterns

    class Urls:
        urlpatterns = [
            path("users/", include(development)),
            *(pattern for pattern in site if str(pattern.pattern) != "users/"),
        ]

    settings.ROOT_URLCONF = Urls
    yield
    settings.DEBUG = False
    importlib.reload(urls)


def test_development_lists_every_mail(client, in_development):
    html = client.get("/users/mails/").content.decode()
    assert mail_samples.names()
    assert all(f"<code>{name}</code>" in html for name in mail_samples.names())
    assert all(f'href="/users/mails/{name}/"' in html for name in mail_samples.names())


@pytest.mark.parametrize("name", mail_samples.names())
def test_development_shows_each_mail_light_dark_and_as_text(client, in_development, name):
    html = client.get(f"/users/mails/{name}/").content.decode()
    assert re.findall(r'<iframe[^>]* sandbox src="([^"]*)"', html) == [
        f"/users/mails/{name}/html/light/?language=en",
        f"/users/mails/{name}/html/dark/?language=en",
    ]
    assert '<pre tabindex="0" role="region" aria-label="As text">' in html

    light, dark = (client.get(f"/users/mails/{name}/html/{each}/") for each in ("light", "dark"))
    assert "@media not all {" in light.content.decode()
    assert "@media all {" in dark.content.decode()
    assert "prefers-color-scheme: dark" not in light.content.decode() + dark.content.decode()
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src * data:; sandbox;"
    assert light["Content-Security-Policy"].startswith(policy)
    assert light["X-Frame-Options"] == "SAMEORIGIN"


def test_development_shows_a_mail_in_another_language(client, in_development, settings):
    settings.LANGUAGES = [("en", "English"), ("ar", "Arabic")]
    page = client.get("/users/mails/account/email/login_code/?language=ar").content.decode()
    assert '<option value="ar" selected>' in page
    assert 'html/dark/?language=ar"' in page
    url = "/users/mails/account/email/login_code/html/light/"
    assert '<html lang="ar" dir="rtl">' in client.get(f"{url}?language=ar").content.decode()
    assert '<html lang="en" dir="ltr">' in client.get(f"{url}?language=xx").content.decode()

    settings.LANGUAGES = [("en", "English")]
    assert "<select" not in client.get("/users/mails/account/email/login_code/").content.decode()


def test_development_knows_no_other_mails(client, in_development):
    assert client.get("/users/mails/nonsense/").status_code == 404
    assert client.get("/users/mails/nonsense/html/light/").status_code == 404
    url = "/users/mails/account/email/login_code/html/grey/"
    assert client.get(url).status_code == 404


def test_production_has_no_such_pages(client, in_development, settings):
    settings.DEBUG = False
    assert client.get("/users/mails/").status_code == 404
    assert client.get("/users/mails/account/email/password_changed/").status_code == 404
    url = "/users/mails/account/email/password_changed/html/light/"
    assert client.get(url).status_code == 404


def test_production_does_not_mount_them(client):
    assert client.get("/users/mails/").status_code == 404
    assert [pattern.name for pattern in urls.urlpatterns] == ["overview"]


SIGN_UP = {"email": "new@example.com", "password1": "a good one 9"}


def test_a_sign_up_survives_a_mail_that_cannot_be_sent(client, caplog):
    with no_mail_server():
        response = client.post(reverse("account_signup"), SIGN_UP, follow=True)

    assert response.redirect_chain == [(reverse("account_login"), 302)]
    assert "We could not send you an email. Sign in in a few minutes to get it." in response.text
    assert "Confirmation email sent" not in response.text
    [record] = [r for r in caplog.records if r.name == "quickscale_accounts.adapter"]
    assert "email_confirmation_signup could not be sent" in record.getMessage()
    assert record.exc_info[0] is ConnectionRefusedError

    # It works at once, not only after the ten seconds between two mails.
    sign_in = {"login": SIGN_UP["email"], "password": SIGN_UP["password1"]}
    response = client.post(reverse("account_login"), sign_in)
    assert response.url == reverse("account_email_verification_sent")
    assert [message.to for message in mail.outbox] == [["new@example.com"]]


def test_without_a_mail_server_nobody_finds_out_who_has_an_account(client):
    UserFactory(email=SIGN_UP["email"])
    with no_mail_server():
        known = client.post(reverse("account_signup"), SIGN_UP, follow=True)
    assert known.redirect_chain == [(reverse("account_login"), 302)]
    assert "Sign in in a few minutes to get it." in known.text


@pytest.mark.parametrize("email", ["ann@example.com", "nobody@example.com"])
def test_a_reset_without_a_mail_server_says_so(client, email):
    UserFactory(email="ann@example.com")
    url = reverse("account_reset_password")
    with no_mail_server():
        response = client.post(url, {"email": email}, follow=True)
    assert response.redirect_chain == [(url, 302)]
    assert "We could not send you an email. Please try again" in response.text


def test_a_change_of_address_without_a_mail_server_can_be_asked_for_again(client):
    client.force_login(UserFactory())
    url = reverse("account_email")
    data = {"action_add": "", "email": "new@example.com"}
    with no_mail_server():
        response = client.post(url, data, follow=True)
    assert response.redirect_chain == [(url, 302)]
    assert "We could not send you an email. Please try again" in response.text


def test_a_notice_that_cannot_be_sent_stops_nothing(client, caplog):
    user = UserFactory()
    client.force_login(user)
    data = {"oldpassword": "password", "password1": "a good one 9", "password2": "a good one 9"}
    with no_mail_server():
        response = client.post(reverse("account_change_password"), data, follow=True)
    assert "Password successfully changed" in response.text
    assert "could not send" not in response.text
    user.refresh_from_db()
    assert user.check_password("a good one 9")
    assert "password_changed could not be sent" in caplog.text
