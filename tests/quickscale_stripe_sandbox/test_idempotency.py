"""docs.stripe.com/api/idempotent_requests"""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import stripe

from quickscale_stripe_sandbox import Sandbox, SandboxHTTPClient

from .conftest import KEY


def test_the_same_request_is_answered_once(client: stripe.StripeClient) -> None:
    first = client.v1.customers.create({"name": "Ada"}, {"idempotency_key": "k"})
    again = client.v1.customers.create({"name": "Ada"}, {"idempotency_key": "k"})
    assert again.id == first.id
    assert len(client.v1.customers.list().data) == 1
    assert first.last_response is not None
    assert again.last_response is not None
    assert "Idempotent-Replayed" not in first.last_response.headers
    assert again.last_response.headers["Idempotent-Replayed"] == "true"
    assert (
        again.last_response.headers["Original-Request"]
        == first.last_response.headers["Request-Id"]
        != again.last_response.headers["Request-Id"]
    )


def test_a_replay_is_the_old_answer_even_when_the_object_has_changed(
    client: stripe.StripeClient,
) -> None:
    customer = client.v1.customers.create({"name": "Ada"}, {"idempotency_key": "k"})
    client.v1.customers.update(customer.id, {"name": "Grace"})
    again = client.v1.customers.create({"name": "Ada"}, {"idempotency_key": "k"})
    assert again.name == "Ada"


def test_another_request_with_the_same_key_is_refused(client: stripe.StripeClient) -> None:
    client.v1.customers.create({"name": "Ada"}, {"idempotency_key": "k"})
    with pytest.raises(stripe.IdempotencyError):
        client.v1.customers.create({"name": "Grace"}, {"idempotency_key": "k"})
    with pytest.raises(stripe.IdempotencyError):
        client.v1.products.create({"name": "Ada"}, {"idempotency_key": "k"})


def test_a_refused_request_is_not_remembered(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.prices.create({"currency": "usd", "unit_amount": 1}, {"idempotency_key": "k"})
    client.v1.prices.create(
        {"currency": "usd", "unit_amount": 1, "product_data": {"name": "x"}},
        {"idempotency_key": "k"},
    )


def test_a_declined_payment_is_remembered_and_kept(client: stripe.StripeClient) -> None:
    params: stripe.params.PaymentIntentCreateParams = {
        "amount": 500,
        "currency": "usd",
        "confirm": True,
        "payment_method": "pm_card_chargeDeclined",
    }
    ids = []
    for _ in range(2):
        with pytest.raises(stripe.CardError) as declined:
            client.v1.payment_intents.create(params, {"idempotency_key": "k"})
        assert declined.value.code == "card_declined"
        ids.append(declined.value.json_body["error"]["payment_intent"]["id"])
    assert ids[0] == ids[1]
    assert len(client.v1.charges.list().data) == 1


def test_several_processes_and_threads_share_one_file(tmp_path: Path) -> None:
    def create() -> None:
        sandbox = Sandbox(tmp_path / "stripe.sqlite3")
        client = stripe.StripeClient(KEY, http_client=SandboxHTTPClient(sandbox))
        ids.append(client.v1.customers.create({"name": "Ada"}, {"idempotency_key": "k"}).id)
        client.v1.customers.create({})
        sandbox.close()

    ids: list[str] = []
    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 8
    assert len(set(ids)) == 1
    sandbox = Sandbox(tmp_path / "stripe.sqlite3")
    client = stripe.StripeClient(KEY, http_client=SandboxHTTPClient(sandbox))
    assert len(client.v1.customers.list().data) == 9
