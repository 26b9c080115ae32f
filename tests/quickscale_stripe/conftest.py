from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from quickscale_stripe.catalogue import mirror
from quickscale_stripe.models import StripePrice
from quickscale_stripe.sandbox import Sandbox
from quickscale_stripe.sandbox.recording import RecordingHTTPClient, strict_reads
from tests.owners import make_owner, user_of

SECRET = "whsec_of_the_tests"


@pytest.fixture
def sandbox(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A Stripe of this test's own; its events wait until ``sandbox.deliver()``.

    Requests and reads that the SDK doesn't declare fail the test, as does a money-making POST
    without an idempotency key.
    """
    settings.QUICKSCALE_STRIPE_SANDBOX = True
    settings.QUICKSCALE_STRIPE_WEBHOOK_SECRET = SECRET
    stripe = Sandbox(":memory:", transport=_post)
    stripe.add_endpoint("http://testserver/stripe/webhook/", secret=SECRET)
    monkeypatch.setattr("quickscale_stripe.sandbox.get_sandbox", lambda: stripe)
    monkeypatch.setattr("quickscale_stripe.sandbox.SandboxHTTPClient", RecordingHTTPClient)
    with strict_reads():
        yield stripe
    stripe.close()


def _post(url: str, headers: dict[str, str], body: bytes) -> tuple[int, str]:
    response = Client(raise_request_exception=False).generic(
        "POST", "/stripe/webhook/", body, content_type="application/json", headers=headers
    )
    return response.status_code, response.text


@pytest.fixture
def shop(sandbox: Sandbox, db: None) -> Sandbox:
    """A sandbox with its small catalogue, mirrored here."""
    sandbox.seed()
    for _row in mirror.sync_all():
        pass
    return sandbox


@pytest.fixture
def package(shop: Sandbox) -> StripePrice:
    """The first package on sale: 100 credits for 9.00 USD."""
    return mirror.packages()[0].price


@pytest.fixture
def owner(db: None) -> Any:
    return make_owner("ada@example.com")


@pytest.fixture
def buyer(owner: Any) -> Client:
    client = Client()
    client.force_login(user_of(owner))
    return client
