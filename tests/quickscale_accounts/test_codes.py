"""After a sign-up, a code confirms the address, signs the person in and leads to ``next``."""

from __future__ import annotations

import django
import pytest
from django.contrib.auth import get_user_model
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from quickscale_accounts.testing import UserFactory
from tests.mailbox import no_mail_server
from tests.quickscale_accounts.html import Page, assert_sound
from tests.quickscale_accounts.mails import code_in, link_in

pytestmark = pytest.mark.django_db

ADDRESS = "ann@example.com"
PASSWORD = "correct horse battery"
WANTED = "/dashboard/plans/?interval=year"
SIGN_UP, SIGN_IN = "/accounts/signup/", "/accounts/login/"
CODE = "/accounts/confirm-email/"


def sign_up(client, email=ADDRESS, **more):
    cache.clear()  # a limit of allauth is one mail in ten seconds
    return client.post(SIGN_UP, {"email": email, "password1": PASSWORD, **more})


def enter(client, code):
    return client.post(CODE, {"code": code})


def sign_in(client, **more):
    cache.clear()
    return client.post(SIGN_IN, {"login": ADDRESS, "password": PASSWORD, **more})


def send_again(client):
    cache.clear()
    return client.post(CODE, {"action": "resend"}, follow=True)


def wrong(code):
    return f"{(int(code) + 1) % 1_000_000:06}"


def signed_in(client):
    return "_auth_user_id" in client.session


def test_the_right_code_leads_to_the_page_that_the_person_wanted(client):
    form = Page(client.get(SIGN_UP, {"next": WANTED}))
    [field] = form.find("input", name="next")

    assert sign_up(client, next=field["value"]).url == CODE
    assert enter(client, code_in(mail.outbox[0])).url == WANTED

    assert signed_in(client)
    texts = [str(message) for message in client.get("/").context["messages"]]
    assert texts == [f"Successfully signed in as {ADDRESS}."]


def test_no_foreign_site_is_the_page_that_the_person_wanted(client, settings):
    settings.ALLOWED_HOSTS = ["testserver"]  # With "*", older versions of allauth trust every host.
    sign_up(client, next="https://evil.example/")
    assert "evil" not in client.get(CODE).text
    assert enter(client, code_in(mail.outbox[0])).url == "/dashboard/"


def test_the_page_of_the_code(client):
    sign_up(client)
    response = client.get(CODE)
    page = assert_sound(response)
    assert ADDRESS in response.text
    assert not list(response.context["messages"])
    [field] = page.find("input", name="code")
    assert field["autocomplete"] == "one-time-code"
    assert field["inputmode"] == "numeric"
    assert "autofocus" in field
    assert "placeholder" not in field


def test_a_code_of_letters_gets_a_keyboard_of_letters(client, settings):
    settings.ACCOUNT_EMAIL_VERIFICATION_BY_CODE_FORMAT = {}
    sign_up(client)
    [field] = Page(client.get(CODE)).find("input", name="code")
    assert "inputmode" not in field


def test_a_code_may_be_typed_with_spaces(client):
    sign_up(client)
    code = code_in(mail.outbox[0])
    enter(client, f" {code[:3]} {code[3:]}")
    assert signed_in(client)


def test_a_wrong_code_is_an_error_in_place(client):
    sign_up(client)
    code = code_in(mail.outbox[0])
    response = enter(client, wrong(code))
    page = assert_sound(response)
    [field] = page.find("input", name="code")
    assert field["aria-invalid"] == "true"
    assert "Incorrect code." in response.text
    assert enter(client, code).url == "/dashboard/"


def test_too_many_wrong_codes_lead_to_the_sign_in_which_sends_another(client):
    sign_up(client, next=WANTED)
    code = code_in(mail.outbox[0])
    for _ in range(3):
        response = enter(client, wrong(code))
    assert response.url == SIGN_IN

    response = client.get(SIGN_IN)
    page = assert_sound(response)
    assert "it was wrong too often" in response.text
    assert not list(response.context["messages"])
    [field] = page.find("input", name="next")
    assert "it was wrong too often" not in client.get(SIGN_IN).text

    assert sign_in(client, next=field["value"]).url == CODE
    assert enter(client, code_in(mail.outbox[1])).url == WANTED


def test_an_expired_code_leads_to_the_sign_in_which_sends_another(client, settings):
    sign_up(client, next=WANTED)
    settings.ACCOUNT_EMAIL_VERIFICATION_BY_CODE_TIMEOUT = -1
    assert enter(client, code_in(mail.outbox[0])).url == SIGN_IN
    assert not signed_in(client)
    response = client.get(SIGN_IN)
    assert "The code has expired" in response.text
    assert Page(response).find("input", name="next", value=WANTED)


def test_a_visitor_of_the_sign_in_hears_nothing_about_codes(client):
    client.get(SIGN_IN)
    assert "code" not in client.get(SIGN_IN).context
    assert "The code has expired" not in client.get(SIGN_IN).text


def test_a_new_code_replaces_the_old_one(client):
    sign_up(client, next=WANTED)
    response = send_again(client)
    assert response.redirect_chain == [(CODE, 302)]
    assert "We have sent you a new code." in response.text

    old, new = map(code_in, mail.outbox)
    assert "Incorrect code." in enter(client, old).text
    assert enter(client, new).url == WANTED


def test_a_new_code_is_sent_a_few_times_only(client):
    sign_up(client)
    assert "Send again" in client.get(CODE).text
    for _ in range(2):
        page = send_again(client)
    assert "Send again" not in page.text
    send_again(client)
    assert len(mail.outbox) == 3


def test_nobody_can_guess_codes_all_day(client):
    """Each code allows three guesses, and the same address gets twenty codes a day."""
    from django.utils.module_loading import import_string

    limits = import_string("allauth.account.app_settings").RATE_LIMITS["confirm_email"]
    assert limits == "1/10s/key,20/d/key"


def test_a_new_code_that_cannot_be_sent_can_be_asked_for_again(client):
    sign_up(client)
    with no_mail_server():
        response = send_again(client)
    assert "We could not send you an email. Please try again" in response.text
    assert response.request["PATH_INFO"] == CODE
    send_again(client)
    assert enter(client, code_in(mail.outbox[-1])).url == "/dashboard/"


def cancel(client):
    """Use the form "Wrong address?" of the page of the code."""
    [_, form] = [form for form in Page(client.get(CODE)).find("form") if "id" not in form][-2:]
    [field] = Page(client.get(CODE)).find("input", name="next")
    return client.post(form["action"], {"next": field["value"]})


def test_a_wrong_address_leads_back_to_the_sign_up(client):
    sign_up(client, "anm@example.com", next=WANTED)
    response = cancel(client)
    assert response.url.startswith(f"{SIGN_UP}?next=")
    [field] = Page(client.get(response.url)).find("input", name="next")
    assert client.get(CODE).url == SIGN_IN

    sign_up(client, next=field["value"])
    assert enter(client, code_in(mail.outbox[1])).url == WANTED
    assert get_user_model().objects.get(email=ADDRESS) == get_user_model().objects.last()


def test_a_site_may_let_people_correct_the_address_in_place(client, settings):
    settings.ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_CHANGE = True
    sign_up(client, "anm@example.com", next=WANTED)
    assert_sound(client.get(CODE))
    response = client.post(CODE, {"action": "change", "email": ADDRESS}, follow=True)
    assert ADDRESS in response.text
    assert mail.outbox[1].to == [ADDRESS]
    assert enter(client, code_in(mail.outbox[1])).url == WANTED


def three_wrong_codes(client):
    for _ in range(3):
        response = enter(client, "000000")
    return response


STEPS = {
    "the page": lambda client: client.get(CODE),
    "a wrong code": lambda client: enter(client, "000000"),
    "too many wrong codes": three_wrong_codes,
    "the sign-in": lambda client: client.get(SIGN_IN),
    "another sign-up": lambda client: client.get(SIGN_UP),
    "a new code": send_again,
    "a wrong address": lambda client: (cancel(client), client.get(CODE), client.get(SIGN_IN))[2],
    "the page after that": lambda client: (cancel(client), client.get(CODE))[1],
}


@pytest.mark.parametrize("step", STEPS)
def test_no_step_reveals_whether_an_address_has_an_account(step, settings):
    settings.PASSWORD_HASHERS = ["tests.quickscale_accounts.hashers.CountingHasher"]
    UserFactory(email="known@example.com")

    def answer(address):
        client = Client()
        sign_up(client, address, next=WANTED)
        mails = len(mail.outbox)
        response = STEPS[step](client)
        lines = response.text.replace(address, "ADDRESS").splitlines()
        return {
            "status": response.status_code,
            "goes to": getattr(response, "url", None),
            "reads": [line for line in lines if "csrf" not in line],
            "mails": len(mail.outbox) - mails,
        }

    assert answer("known@example.com") == answer("other@example.com")


@pytest.mark.parametrize(
    ("backend", "words"),
    [("console", "printed in the terminal"), ("filebased", "folder for mails"), ("smtp", "")],
)
def test_in_development_the_page_says_where_the_mail_is(client, settings, backend, words):
    sign_up(client)
    settings.DEBUG = True
    name = f"django.core.mail.backends.{backend}.EmailBackend"
    if django.VERSION >= (6, 1):
        settings.MAILERS = {"default": {"BACKEND": name}}
    else:
        settings.EMAIL_BACKEND = name
    note = Page(client.get(CODE)).find("div", role="note")
    assert bool(note) == bool(words)
    assert words in client.get(CODE).text
    settings.DEBUG = False
    assert not Page(client.get(CODE)).find("div", role="note")


@pytest.mark.usefixtures("by_link")
def test_a_link_also_leads_to_the_page_that_the_person_wanted(client):
    sign_up(client, next=WANTED)
    assert_sound(client.get(CODE))
    response = client.post(link_in(mail.outbox[0]))
    [field] = Page(client.get(response.url)).find("input", name="next")
    assert sign_in(client, next=field["value"]).url == WANTED


@pytest.mark.usefixtures("by_link")
def test_a_link_opened_in_another_browser_leads_to_the_sign_in(client):
    sign_up(client, next=WANTED)
    assert Client().post(link_in(mail.outbox[0])).url == SIGN_IN


def test_a_mail_with_a_code(client):
    sign_up(client)
    [message] = mail.outbox
    code = code_in(message)
    assert code in message.alternatives[0].content
    assert code not in message.subject
    assert "http" not in str(message.body).split("--")[0]
    assert reverse("account_email_verification_sent") == CODE
