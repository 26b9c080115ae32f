"""The API as every client uses it: objects, lists, expansion, errors."""

from __future__ import annotations

import asyncio
import base64
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import stripe

from quickscale_stripe_sandbox import Sandbox
from quickscale_stripe_sandbox.internal.http import respond

from .conftest import KEY, open_session


def test_the_same_account_in_process_and_over_http(
    client: stripe.StripeClient, served: stripe.StripeClient
) -> None:
    customer = client.v1.customers.create({"email": "ada@example.com"})
    found = served.v1.customers.retrieve(customer.id)
    assert (found.email, found.livemode) == ("ada@example.com", False)
    served.v1.customers.update(customer.id, {"name": "Ada"})
    assert client.v1.customers.retrieve(customer.id).name == "Ada"


@pytest.mark.parametrize(
    ("create", "prefix"),
    [
        (lambda v1: v1.customers.create({}), "cus_"),
        (lambda v1: v1.products.create({"name": "x"}), "prod_"),
        (lambda v1: v1.payment_intents.create({"amount": 50, "currency": "usd"}), "pi_"),
        (
            lambda v1: v1.webhook_endpoints.create({"url": "http://x", "enabled_events": ["*"]}),
            "we_",
        ),
    ],
)
def test_ids_have_stripes_prefixes(client: stripe.StripeClient, create: Any, prefix: str) -> None:
    assert create(client.v1).id.startswith(prefix)


def test_metadata_are_merged_and_unset(client: stripe.StripeClient) -> None:
    customer = client.v1.customers.create({"metadata": {"a": "1", "b": "2"}})
    updated = client.v1.customers.update(customer.id, {"metadata": {"a": "", "c": "3"}})
    assert updated.metadata
    assert updated.metadata.to_dict() == {"b": "2", "c": "3"}
    updated = client.v1.customers.update(customer.id, {"metadata": ""})
    assert updated.metadata is not None
    assert updated.metadata.to_dict() == {}


def test_lists_are_paged_from_the_newest(client: stripe.StripeClient) -> None:
    ids = [client.v1.customers.create({}).id for _ in range(5)][::-1]
    first = client.v1.customers.list({"limit": 2})
    assert ([row.id for row in first.data], first.has_more) == (ids[:2], True)
    last = client.v1.customers.list({"limit": 2, "starting_after": ids[2]})
    assert ([row.id for row in last.data], last.has_more) == (ids[3:], False)
    before = client.v1.customers.list({"limit": 2, "ending_before": ids[3]})
    assert ([row.id for row in before.data], before.has_more) == (ids[1:3], True)
    everything = client.v1.customers.list({"limit": 2}).auto_paging_iter()
    assert [row.id for row in everything] == ids
    backwards = client.v1.customers.list({"limit": 2, "ending_before": ids[4]})
    assert [row.id for row in backwards.auto_paging_iter()] == ids[3::-1]


def test_lists_are_filtered(client: stripe.StripeClient, sandbox: Sandbox) -> None:
    client.v1.customers.create({"email": "a@example.com"})
    then = client.v1.customers.create({"email": "b@example.com"}).created
    sandbox.advance(days=1)
    late = client.v1.customers.create({"email": "b@example.com"})
    by_email = client.v1.customers.list({"email": "b@example.com"})
    assert len(by_email.data) == 2
    by_time = client.v1.customers.list({"created": {"gt": then}})
    assert [row.id for row in by_time.data] == [late.id]


def test_expansion_follows_ids_lists_and_what_is_only_sent_when_asked_for(
    client: stripe.StripeClient, price: stripe.Price
) -> None:
    session = open_session(client, price)
    assert "line_items" not in session
    expanded = client.v1.checkout.sessions.retrieve(
        session.id, {"expand": ["line_items.data.price.product"]}
    )
    assert expanded.line_items
    [item] = expanded.line_items.data
    assert item.price
    assert isinstance(item.price.product, stripe.Product)
    assert item.price.product.name == "Starter pack"
    listed = client.v1.prices.list({"expand": ["data.product"]})
    assert isinstance(listed.data[0].product, stripe.Product)
    for path in ("colour", "id", "metadata.x", "product.a.b.c.d"):
        with pytest.raises(stripe.InvalidRequestError, match="expand"):
            client.v1.prices.retrieve(price.id, {"expand": [path]})


def test_prices_cannot_change_their_amount(
    client: stripe.StripeClient, price: stripe.Price
) -> None:
    changes: Any = {"unit_amount": 5}
    with pytest.raises(stripe.InvalidRequestError, match="unknown parameter: unit_amount"):
        client.v1.prices.update(price.id, changes)
    updated = client.v1.prices.update(price.id, {"active": False, "nickname": "old"})
    assert (updated.unit_amount, updated.active, updated.nickname) == (900, False, "old")
    with pytest.raises(stripe.InvalidRequestError, match="inactive"):
        open_session(client, price)


def test_a_product_with_prices_cannot_be_deleted(
    client: stripe.StripeClient, price: stripe.Price
) -> None:
    assert isinstance(price.product, str)
    with pytest.raises(stripe.InvalidRequestError, match="cannot be deleted"):
        client.v1.products.delete(price.product)
    other = client.v1.products.create({"name": "x"})
    assert client.v1.products.delete(other.id).deleted
    with pytest.raises(stripe.InvalidRequestError, match="No such product"):
        client.v1.products.retrieve(other.id)


def test_a_deleted_customer_remains_as_deleted(client: stripe.StripeClient) -> None:
    customer = client.v1.customers.create({})
    client.v1.customers.delete(customer.id)
    assert client.v1.customers.retrieve(customer.id).deleted
    assert client.v1.customers.list().data == []
    with pytest.raises(stripe.InvalidRequestError, match="No such customer") as refused:
        client.v1.customers.update(customer.id, {"name": "x"})
    assert refused.value.code == "resource_missing"


def test_a_missing_object_gets_stripes_error(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.customers.retrieve("cus_none")
    assert (refused.value.http_status, refused.value.code) == (404, "resource_missing")
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.prices.create({"product": "prod_none", "currency": "usd", "unit_amount": 5})
    assert (refused.value.http_status, refused.value.param) == (400, "product")


def test_a_key_is_required(sandbox: Sandbox) -> None:
    def status(authorization: str | None) -> int:
        headers = {"Authorization": authorization} if authorization else {}
        return respond(sandbox, "GET", "/v1/customers", headers).status

    basic = base64.b64encode(f"{KEY}:".encode()).decode()
    assert status(f"Bearer {KEY}") == 200
    assert status(f"Basic {basic}") == 200
    assert status(None) == 401
    assert status("Bearer sk_live_1234") == 401
    assert status("Basic ????") == 401


def test_only_the_pinned_version_is_accepted(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="Invalid Stripe API version"):
        client.v1.customers.list(options={"stripe_version": "2020-08-27"})


def test_other_addresses_are_unknown(sandbox: Sandbox) -> None:
    answer = respond(sandbox, "GET", "/v1/unicorns", {"Authorization": f"Bearer {KEY}"})
    assert answer.status == 404
    assert json.loads(answer.body)["error"]["type"] == "invalid_request_error"


def test_a_body_that_is_not_text_is_refused(sandbox: Sandbox) -> None:
    answer = respond(sandbox, "POST", "/v1/customers", {"Authorization": f"Bearer {KEY}"}, b"\xff=")
    assert answer.status == 400


def test_async_requests_reach_the_sandbox_too(client: stripe.StripeClient) -> None:
    # In its own thread, because a browser's test may have left a running loop in this one.
    with ThreadPoolExecutor() as threads:
        customer = threads.submit(
            lambda: asyncio.run(client.v1.customers.create_async({"name": "Ada"}))
        ).result()
    assert client.v1.customers.retrieve(customer.id).name == "Ada"
