"""The tools that check a site's calls against the SDK."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from quickscale_stripe_sandbox import Sandbox
from quickscale_stripe_sandbox.recording import RecordingHTTPClient, strict_reads

from .conftest import KEY

INTENT: Any = {"amount": 500, "currency": "usd"}


@pytest.fixture
def recorder(sandbox: Sandbox) -> RecordingHTTPClient:
    return RecordingHTTPClient(sandbox)


@pytest.fixture
def recorded(recorder: RecordingHTTPClient) -> stripe.StripeClient:
    return stripe.StripeClient(KEY, http_client=recorder, max_network_retries=0)


def test_requests_are_recorded(
    recorder: RecordingHTTPClient, recorded: stripe.StripeClient
) -> None:
    recorded.v1.payment_intents.create(INTENT, {"idempotency_key": "buy:7"})
    [request] = recorder.requests
    assert (request.method, request.path, request.status) == ("POST", "/v1/payment_intents", 200)
    assert request.params == {"amount": "500", "currency": "usd"}
    assert request.idempotency_key == "buy:7"


def test_money_needs_a_key_of_the_callers_own(recorded: stripe.StripeClient) -> None:
    with pytest.raises(AssertionError, match="without an idempotency key"):
        recorded.v1.payment_intents.create(INTENT)
    recorded.v1.customers.create({})


def test_the_version_is_the_sdks(recorded: stripe.StripeClient) -> None:
    with pytest.raises(AssertionError, match="isn't pinned"):
        recorded.v1.customers.list(options={"stripe_version": "2020-08-27"})


def test_undeclared_parameters_fail_the_test(recorded: stripe.StripeClient) -> None:
    params: Any = {"emial": "x"}
    with pytest.raises(AssertionError, match="unknown parameter: emial"):
        recorded.v1.customers.create(params)


def test_an_error_that_a_site_has_to_handle_stays_an_error(recorded: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        recorded.v1.customers.retrieve("cus_none")


def test_reads_of_undeclared_fields_fail(client: stripe.StripeClient) -> None:
    invoice: Any = stripe.Invoice.construct_from({"id": "in_1", "subscription": None}, KEY)
    assert invoice.subscription is None
    with strict_reads():
        with pytest.raises(AssertionError, match="Invoice declares no field 'subscription'"):
            _ = invoice.subscription
        with pytest.raises(AssertionError, match="declares no field"):
            _ = "subscription" in invoice
        customer = client.v1.customers.create({"metadata": {"mine": "1"}})
        assert customer.metadata
        assert customer.metadata["mine"] == "1"
        assert "deleted" not in customer
    assert invoice.subscription is None
