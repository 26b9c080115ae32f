"""What people do: sign up, confirm, sign in and out, reset and change the password."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.contrib.auth import get_user_model
from django.core import mail
from django.core.mail import EmailMessage
from django.db import connections
from django.db.models.signals import pre_save
from django.test import Client
from django.urls import reverse

from quickscale_accounts.testing import UserFactory
from tests.quickscale_accounts.html import Page, assert_sound
from tests.quickscale_accounts.mails import code_in, link_in

pytestmark = pytest.mark.django_db

PASSWORD = "correct horse battery"


def sign_up(client: Client, email: str = "ann@example.com") -> object:
    return client.post(reverse("account_signup"), {"email": email, "password1": PASSWORD})


def sign_in(client: Client, email: str, password: str) -> object:
    return client.post(reverse("account_login"), {"login": email, "password": password})


def signed_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def enter_code(client: Client, message: EmailMessage) -> object:
    return client.post(reverse("account_email_verification_sent"), {"code": code_in(message)})


def test_sign_up_confirm_sign_out_and_in(client):
    response = sign_up(client)
    assert response.url == reverse("account_email_verification_sent")
    assert not signed_in(client)

    [message] = mail.outbox
    assert message.to == ["ann@example.com"]
    assert "ann@example.com" in client.get(response.url).text
    assert enter_code(client, message).url == "/dashboard/"
    assert signed_in(client)

    assert client.get(reverse("account_logout")).status_code == 200
    assert signed_in(client)
    assert client.post(reverse("account_logout")).url == "/"
    assert not signed_in(client)

    assert sign_in(client, "ann@example.com", PASSWORD).url == "/dashboard/"
    assert signed_in(client)


@pytest.mark.usefixtures("by_link")
def test_sign_up_confirm_by_link_and_sign_in(client):
    response = sign_up(client)
    assert response.url == reverse("account_email_verification_sent")
    assert not signed_in(client)

    [message] = mail.outbox
    assert message.to == ["ann@example.com"]
    link = link_in(message)
    assert b"ann@example.com" in client.get(link).content
    client.post(link)
    client.session.flush()

    assert sign_in(client, "ann@example.com", PASSWORD).url == "/dashboard/"
    assert signed_in(client)


def test_an_unverified_user_is_sent_a_code_and_not_let_in_before(client):
    UserFactory(email="ann@example.com", verified=False)

    response = sign_in(client, "ann@example.com", "password")

    assert response.url == reverse("account_email_verification_sent")
    assert not signed_in(client)
    assert enter_code(client, mail.outbox[0]).url == "/dashboard/"
    assert signed_in(client)


@pytest.mark.usefixtures("by_link")
def test_an_unverified_user_is_sent_a_link_and_not_let_in(client):
    UserFactory(email="ann@example.com", verified=False)

    response = sign_in(client, "ann@example.com", "password")

    assert response.url == reverse("account_email_verification_sent")
    assert not signed_in(client)
    assert "confirm-email" in link_in(mail.outbox[0])


def test_a_wrong_password_says_nothing_about_the_account(client):
    UserFactory(email="ann@example.com")

    known = sign_in(client, "ann@example.com", "wrong").content.decode()
    unknown = sign_in(client, "bob@example.com", "wrong").content.decode()

    sentence = "The email address and/or password you specified are not correct."
    assert sentence in known
    assert sentence in unknown
    assert not signed_in(client)


def test_signing_up_twice_looks_the_same_and_sends_the_owner_a_mail(client):
    UserFactory(email="ann@example.com")

    response = sign_up(client, "Ann@Example.com")

    assert response.url == reverse("account_email_verification_sent")
    assert get_user_model().objects.count() == 1
    [message] = mail.outbox
    assert message.subject == "You already have an account"
    assert "/password/reset/" in link_in(message)


@pytest.mark.django_db(transaction=True)
def test_two_sign_ups_at_once_make_one_user():
    """Both pass the form's look-up before either is saved."""
    both_checked = Barrier(2, timeout=10)

    def wait(sender, **kwargs):
        both_checked.wait()

    user_model = get_user_model()
    pre_save.connect(wait, sender=user_model)
    try:
        with ThreadPoolExecutor(2) as pool:
            responses = list(pool.map(lambda _: sign_up_and_close(), range(2)))
    finally:
        pre_save.disconnect(wait, sender=user_model)

    assert [response.url for response in responses] == [
        reverse("account_email_verification_sent")
    ] * 2
    assert user_model.objects.count() == 1
    assert [message.subject for message in mail.outbox] == ["Confirm your email address"]


def sign_up_and_close():
    try:
        return sign_up(Client())
    finally:
        connections.close_all()


def test_the_address_is_kept_and_compared_without_regard_to_case(client):
    sign_up(client, "Ann.Smith@Example.COM")
    assert get_user_model().objects.get().email == "ann.smith@example.com"

    enter_code(client, mail.outbox[0])
    client.logout()
    assert sign_in(client, "ANN.smith@example.com", PASSWORD).url == "/dashboard/"


def test_reset_a_forgotten_password(client):
    UserFactory(email="ann@example.com")

    client.post(reverse("account_reset_password"), {"email": "ann@example.com"})
    form_url = client.get(link_in(mail.outbox[0])).url
    data = {"password1": PASSWORD, "password2": PASSWORD}
    assert client.post(form_url, data).url == reverse("account_reset_password_from_key_done")

    assert mail.outbox[1].subject == "Your password was reset"
    assert sign_in(client, "ann@example.com", PASSWORD).url == "/dashboard/"


WANTED = "/dashboard/plans/?interval=year&plan=pro"


def test_a_reset_leads_to_the_page_that_was_wanted(client):
    UserFactory(email="ann@example.com")
    url = reverse("account_reset_password")
    [field] = Page(client.get(url, {"next": WANTED})).find("input", name="wanted")
    again = client.post(url, {"email": "", "wanted": field["value"]})
    assert Page(again).find("input", name="wanted", value=WANTED)

    done = client.post(url, {"email": "ann@example.com", "wanted": field["value"]})
    assert done.url == reverse("account_reset_password_done")
    elsewhere = Client()
    form_url = elsewhere.get(link_in(mail.outbox[0])).url
    data = {"password1": PASSWORD, "password2": PASSWORD}
    sign_in_page = elsewhere.post(form_url, data).url
    [field] = Page(elsewhere.get(sign_in_page)).find("input", name="next")
    login = {"login": "ann@example.com", "password": PASSWORD, "next": field["value"]}
    assert elsewhere.post(reverse("account_login"), login).url == WANTED


def test_a_reset_leads_to_no_foreign_site(client, settings):
    settings.ALLOWED_HOSTS = ["testserver"]  # With "*", older versions of allauth trust every host.
    UserFactory(email="ann@example.com")
    data = {"email": "ann@example.com", "wanted": "https://evil.example/"}
    client.post(reverse("account_reset_password"), data)
    assert "evil" not in mail.outbox[0].body


def test_a_reset_link_works_once(client):
    UserFactory(email="ann@example.com")
    client.post(reverse("account_reset_password"), {"email": "ann@example.com"})
    link = link_in(mail.outbox[0])
    client.post(client.get(link).url, {"password1": PASSWORD, "password2": PASSWORD})

    assert "no longer works" in Client().get(link).content.decode()


def test_reset_for_an_unknown_address_looks_the_same(client):
    response = client.post(reverse("account_reset_password"), {"email": "bob@example.com"})

    assert response.url == reverse("account_reset_password_done")
    [message] = mail.outbox
    assert message.subject == "No account with this address"


def test_change_the_password(client):
    user = UserFactory()
    client.force_login(user)

    data = {"oldpassword": "password", "password1": PASSWORD, "password2": PASSWORD}
    client.post(reverse("account_change_password"), data)

    user.refresh_from_db()
    assert user.check_password(PASSWORD)
    assert mail.outbox[0].subject == "Your password was changed"


def test_change_the_address(client):
    user = UserFactory(email="ann@example.com")
    client.force_login(user)

    data = {"action_add": "", "email": "New@example.com"}
    code_page = client.post(reverse("account_email"), data).url
    assert code_page == reverse("account_email_verification_sent")
    page = client.get(code_page)
    assert "new@example.com" in page.text
    assert f'href="{reverse("account_email")}"' in page.text
    user.refresh_from_db()
    assert user.email == "ann@example.com"

    enter_code(client, mail.outbox[0])
    user.refresh_from_db()
    assert user.email == "new@example.com"
    assert [message.subject for message in mail.outbox[1:]] == ["Your email address was changed"]


@pytest.mark.usefixtures("by_link")
def test_change_the_address_by_link(client):
    user = UserFactory(email="ann@example.com")
    client.force_login(user)

    client.post(reverse("account_email"), {"action_add": "", "email": "New@example.com"})
    user.refresh_from_db()
    assert user.email == "ann@example.com"

    client.post(link_in(mail.outbox[0]))
    user.refresh_from_db()
    assert user.email == "new@example.com"
    assert [message.subject for message in mail.outbox[1:]] == ["Your email address was changed"]


@pytest.mark.parametrize("password", ["12345678", "password", "short", "ann@example.com"])
def test_a_weak_password_is_refused(client, password):
    data = {"email": "ann@example.com", "password1": password}
    response = client.post(reverse("account_signup"), data)

    assert response.context["form"].errors.keys() == {"password1"}
    assert not get_user_model().objects.exists()


def test_an_inactive_user_gets_a_message(client):
    UserFactory(email="ann@example.com", is_active=False)

    assert sign_in(client, "ann@example.com", "password").url == reverse("account_inactive")
    assert not signed_in(client)


def test_too_many_wrong_passwords_lock_the_address_for_a_while(client):
    UserFactory(email="ann@example.com")
    for _ in range(5):
        sign_in(client, "ann@example.com", "wrong")

    response = sign_in(client, "ann@example.com", "password")

    assert response.status_code == 429
    assert "Try again in up to 5 minutes, or set a new password now." in response.text
    assert_sound(response)
    assert not signed_in(client)

    client.post(reverse("account_reset_password"), {"email": "ann@example.com"})
    form_url = client.get(link_in(mail.outbox[0])).url
    client.post(form_url, {"password1": PASSWORD, "password2": PASSWORD})
    assert sign_in(client, "ann@example.com", PASSWORD).url == "/dashboard/"


@pytest.mark.parametrize(
    ("rates", "words"),
    [
        ("10/m/ip,1/90s/key", "up to 2 minutes"),
        ("1/m", "in 1 minute,"),
        ("1/2h/key,100/d/ip", "up to 1440 minutes"),
    ],
)
def test_the_settings_say_how_long_a_lockout_lasts(client, settings, rates, words):
    settings.ACCOUNT_RATE_LIMITS = {"login_failed": rates}
    sign_in(client, "ann@example.com", "wrong")
    assert words in sign_in(client, "ann@example.com", "wrong").text


def test_sign_up_can_be_closed(client, settings):
    settings.QUICKSCALE_ACCOUNTS_SIGNUP_ALLOWED = "tests.quickscale_accounts.hooks.nobody"

    assert "Sign-up is closed" in client.get(reverse("account_signup")).content.decode()
    sign_up(client)
    assert not get_user_model().objects.exists()


def test_the_sign_up_hook_sees_the_request(client, settings):
    settings.QUICKSCALE_ACCOUNTS_SIGNUP_ALLOWED = "tests.quickscale_accounts.hooks.invited"

    sign_up(client)
    assert not get_user_model().objects.exists()
    client.cookies["invitation"] = "yes"
    sign_up(client)
    assert get_user_model().objects.count() == 1
