from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from django.test import Client
from stripe import APIConnectionError, HTTPClient

from quickscale_stripe.catalogue import mirror
from quickscale_stripe.client import get_client, using
from quickscale_stripe.models import StripePrice
from quickscale_stripe_sandbox import Sandbox
from quickscale_stripe_sandbox.recording import Recorded, RecordingHTTPClient
from tests.owners import make_owner, user_of
from tests.quickscale_stripe.shopping import SECRET, sandboxed

UseClient = Callable[[HTTPClient], None]


@pytest.fixture
def sandbox(settings: Any) -> Iterator[Sandbox]:
    """A sandbox for one test, whose events wait until ``sandbox.deliver()``."""
    settings.QUICKSCALE_STRIPE_WEBHOOK_SECRET = SECRET
    with sandboxed() as stripe:
        yield stripe


@pytest.fixture
def use_client() -> Iterator[UseClient]:
    """Use another HTTP client in place of Stripe until the test ends."""
    with ExitStack() as stack:
        yield lambda client: stack.enter_context(using(client))


class Unreachable(HTTPClient):
    name = "unreachable"

    def request(self, *args: Any, **kwargs: Any) -> Any:
        raise APIConnectionError("no route")


@pytest.fixture
def stripe_is_down(shop: Sandbox, use_client: UseClient) -> None:
    use_client(Unreachable())


@pytest.fixture
def recorded(shop: Sandbox, use_client: UseClient) -> list[Recorded]:
    """The requests to Stripe, each of which is checked against the SDK."""
    client = RecordingHTTPClient(shop)
    use_client(client)
    return client.requests


@pytest.fixture
def shop(sandbox: Sandbox, db: None) -> Sandbox:
    """A sandbox with a small catalogue that the site has mirrored."""
    sandbox.seed()
    for _row in mirror.sync_all():
        pass
    return sandbox


@pytest.fixture
def many_products(shop: Sandbox) -> Sandbox:
    """A shop of 12 products, more than the admin handles in one request."""
    for number in range(7):
        mirror.sync_product(get_client().v1.products.create({"name": f"Extra {number}"}).id)
    return shop


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
