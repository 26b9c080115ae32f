from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import stripe

from quickscale_stripe_sandbox import Sandbox, SandboxHTTPClient
from quickscale_stripe_sandbox.internal import shapes
from quickscale_stripe_sandbox.internal.server import make_sandbox_server

KEY = "sk_test_of_the_tests"


class CheckedClient(SandboxHTTPClient):
    """Fails when a response has a field that the SDK's classes don't declare."""

    def request(self, *args: Any, **kwargs: Any) -> tuple[str, int, Mapping[str, str]]:
        text, status, headers = super().request(*args, **kwargs)
        assert not list(shapes.undeclared(json.loads(text)))
        return text, status, headers


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    sandbox = Sandbox(":memory:")
    yield sandbox
    sandbox.close()


@pytest.fixture
def client(sandbox: Sandbox) -> stripe.StripeClient:
    return stripe.StripeClient(KEY, http_client=CheckedClient(sandbox), max_network_retries=0)


@pytest.fixture
def served(sandbox: Sandbox) -> Iterator[stripe.StripeClient]:
    """A client that reaches the same sandbox over HTTP."""
    server = make_sandbox_server(sandbox, 0)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    connection = stripe.RequestsClient()
    yield stripe.StripeClient(
        KEY,
        base_addresses={"api": sandbox.base_url},
        http_client=connection,
        max_network_retries=0,
    )
    connection.close()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def price(client: stripe.StripeClient) -> stripe.Price:
    """100 credits for 9.00 USD."""
    product = client.v1.products.create({"name": "Starter pack", "metadata": {"credits": "100"}})
    return client.v1.prices.create({"product": product.id, "unit_amount": 900, "currency": "usd"})


def open_session(client: stripe.StripeClient, price: stripe.Price, **params: Any) -> Any:
    return client.v1.checkout.sessions.create(
        {
            "mode": "payment",
            "line_items": [{"price": price.id, "quantity": 2}],
            "success_url": "http://site.example/done?id={CHECKOUT_SESSION_ID}",
            "cancel_url": "http://site.example/back",
            **params,
        }
    )
