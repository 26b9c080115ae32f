"""Neither the response nor its time tells a visitor whether an address has an account."""

from __future__ import annotations

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse

from quickscale_accounts.testing import UserFactory
from tests.quickscale_accounts.hashers import CountingHasher

pytestmark = pytest.mark.django_db

PASSWORD = "correct horse battery"
FLOWS = {
    "sign-up": ("account_signup", {"password1": PASSWORD}, "email"),
    "sign-in": ("account_login", {"password": "wrong"}, "login"),
    "reset": ("account_reset_password", {}, "email"),
    "change of address": ("account_email", {"action_add": ""}, "email"),
}


@pytest.mark.parametrize("flow", FLOWS)
@pytest.mark.parametrize("case", [str.lower, str.upper], ids=["lower case", "upper case"])
def test_addresses_with_and_without_an_account_get_the_same_response(settings, flow, case):
    settings.PASSWORD_HASHERS = ["tests.quickscale_accounts.hashers.CountingHasher"]
    UserFactory(email="known@example.com")
    url_name, data, field = FLOWS[flow]

    def answer(address):
        client, user = Client(), UserFactory()
        if flow == "change of address":
            client.force_login(user)
        hashes, mails = CountingHasher.hashes, len(mail.outbox)
        response = client.post(reverse(url_name), {**data, field: case(address)})
        page = client.get(response.url) if response.status_code == 302 else response
        text = page.text.replace(user.email, "ME").replace(f'data-user="{user.pk}"', "")
        for written in (address, case(address)):
            text = text.replace(written, "ADDRESS")
        return {
            "status": response.status_code,
            "goes to": getattr(response, "url", None),
            "reads": [line for line in text.splitlines() if "csrf" not in line],
            "hashes": CountingHasher.hashes - hashes,
            "mails": len(mail.outbox) - mails,
        }

    known, unknown = answer("known@example.com"), answer("other@example.com")

    assert known == unknown
    if flow in ("sign-up", "sign-in"):
        assert known["hashes"] > 0
