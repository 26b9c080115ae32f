"""A site on a Unix socket, where no request has an address."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from django.core import mail
from django.core.cache import cache

from quickscale_accounts.testing import UserFactory
from tests.plain_browser import UnixBrowser
from tests.serving import site_under_uvicorn


@pytest.fixture
def browser(transactional_db):
    cache.clear()  # the rate limits count in it
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "site.sock")
        with site_under_uvicorn(uds=str(path)):
            yield UnixBrowser(path)


def test_people_sign_in_change_their_password_and_write_to_us(browser, settings):
    user = UserFactory()
    assert browser.post("/accounts/login/", login=user.email, password="password")[0] == 302
    assert browser.request("GET", "/dashboard/")[0] == 200

    new = "a good new password 9"
    change = {"oldpassword": "password", "password1": new, "password2": new}
    assert browser.post("/accounts/password/change/", **change)[0] == 302
    (notice,) = mail.outbox
    assert "IP address" not in notice.body
    assert "IP address" not in notice.alternatives[0].content

    settings.QUICKSCALE_DASHBOARD_CONTACT_LIMIT = 1
    message = {"name": "Grace", "email": user.email, "message": "Is there an API?"}
    assert browser.post("/contact/", **message)[0] == 302
    assert browser.post("/contact/", **message)[0] == 429
    assert mail.outbox[-1].reply_to == [user.email]
