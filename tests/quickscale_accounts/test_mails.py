from __future__ import annotations

import importlib
from pathlib import Path

import allauth.account
import pytest
from allauth.account.adapter import get_adapter
from allauth.core import context
from django.core import mail
from django.template.loader import get_template
from django.urls import include, path, reverse

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
        ("email_confirmation", "activate_url"),
        ("email_confirmation_signup", "activate_url"),
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


def test_development_shows_every_mail(client, in_development):
    html = client.get("/users/mails/").content.decode()
    assert all(f"account/email/{name}</code>" in html for name in SAMPLES)
    assert "quickscale_stripe/email/purchase</code>" in html
    assert html.count("<pre") == html.count('<pre tabindex="0"') > 0

    response = client.get("/users/mails/account/email/password_changed/")
    assert "Your password was changed" in response.content.decode()
    assert "style-src 'unsafe-inline'" in response["Content-Security-Policy"]
    assert response["X-Frame-Options"] == "SAMEORIGIN"
    assert client.get("/users/mails/nonsense/").status_code == 404


def test_production_has_no_such_pages(client, in_development, settings):
    settings.DEBUG = False
    assert client.get("/users/mails/").status_code == 404
    assert client.get("/users/mails/account/email/password_changed/").status_code == 404


def test_production_does_not_mount_them(client):
    assert client.get("/users/mails/").status_code == 404
    assert [pattern.name for pattern in urls.urlpatterns] == ["overview"]


SIGN_UP = {"email": "new@example.com", "password1": "a good one 9", "password2": "a good one 9"}


def test_a_sign_up_survives_a_mail_that_cannot_be_sent(client, caplog):
    with no_mail_server():
        response = client.post(reverse("account_signup"), SIGN_UP, follow=True)

    assert response.redirect_chain == [(reverse("account_login"), 302)]
    assert "We could not send you an email. Sign in in a few minutes to get it." in response.text
    assert "Confirmation email sent" not in response.text
    [record] = [r for r in caplog.records if r.name == "quickscale_accounts.adapter"]
    assert "email_confirmation_signup could not be sent" in record.getMessage()
    assert record.exc_info[0] is ConnectionRefusedError

    # It works at once, not only after the three minutes between two mails.
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
