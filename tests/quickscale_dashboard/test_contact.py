from __future__ import annotations

import pytest
from django.core import mail
from django.test import Client
from pytest_django import Settings

from tests.mailbox import no_mail_server
from tests.markup import problems_of_page

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_mails_counted")]

MESSAGE = {"name": "Grace", "email": "grace@example.com", "message": "Is there an <API>?"}


def test_a_message_reaches_the_site_and_can_be_answered(client: Client, settings: Settings) -> None:
    settings.QUICKSCALE_DASHBOARD_CONTACT_EMAIL = "desk@example.com"
    settings.QUICKSCALE_BRAND_NAME = "Parrot & Sons"
    response = client.post("/contact/", MESSAGE, follow=True)
    assert response.redirect_chain == [("/contact/", 302)]
    assert "Your message is on its way" in response.text
    [sent] = mail.outbox
    assert sent.to == ["desk@example.com"]
    assert sent.reply_to == ["grace@example.com"]
    assert sent.subject == "Parrot & Sons: message from Grace"
    assert sent.from_email == "Parrot & Sons <site@example.com>"
    assert "Is there an <API>?" in sent.body
    [html] = sent.alternatives
    assert "Is there an &lt;API&gt;?" in html.content
    for text in (sent.body, html.content):
        assert "Sent by Grace (grace@example.com)" in text


def test_without_a_setting_it_goes_to_the_sites_own_address(
    client: Client, settings: Settings
) -> None:
    client.post("/contact/", MESSAGE)
    assert mail.outbox[0].to == [settings.DEFAULT_FROM_EMAIL]


@pytest.mark.parametrize("field", ["name", "email", "message"])
def test_a_message_without_all_fields_is_not_sent(client: Client, field: str) -> None:
    response = client.post("/contact/", MESSAGE | {field: ""})
    assert response.status_code == 200
    assert f'id="id_{field}_error"' in response.text
    assert f'aria-describedby="id_{field}_error"' in response.text
    assert problems_of_page(response.text) == []
    assert mail.outbox == []


def test_a_name_cannot_add_headers(client: Client) -> None:
    client.post("/contact/", MESSAGE | {"name": "Grace\nBcc: all@example.com"})
    [sent] = mail.outbox
    assert sent.subject.endswith("message from Grace Bcc: all@example.com")
    assert sent.recipients() == sent.to


def test_a_message_with_the_hidden_field_is_thanked_for_and_not_sent(client: Client) -> None:
    response = client.post("/contact/", MESSAGE | {"company_url": "https://spam.example"})
    assert response.status_code == 302
    assert mail.outbox == []


def test_one_address_may_send_a_few_in_an_hour(client: Client, settings: Settings) -> None:
    settings.QUICKSCALE_DASHBOARD_CONTACT_LIMIT = 2
    statuses = [client.post("/contact/", MESSAGE).status_code for _ in range(3)]
    assert statuses == [302, 302, 429]
    assert len(mail.outbox) == 2
    elsewhere = client.post("/contact/", MESSAGE, REMOTE_ADDR="192.0.2.9")
    assert elsewhere.status_code == 302
    refused = client.post("/contact/", MESSAGE)
    assert "Please try again later" in refused.text
    assert "Is there an &lt;API&gt;?" in refused.text


def test_a_customers_address_is_filled_in(customer: Client) -> None:
    assert 'value="ada@example.com"' in customer.get("/contact/").text


def test_a_message_that_cannot_be_sent_is_kept_with_an_error(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with no_mail_server():
        response = client.post("/contact/", MESSAGE)
    assert response.status_code == 503
    assert "We could not send your message." in response.text
    assert "Is there an &lt;API&gt;?" in response.text
    assert problems_of_page(response.text) == []
    assert "ConnectionRefusedError" in caplog.text
