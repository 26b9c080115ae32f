"""Checkout in the mode ``payment``."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from quickscale_stripe_sandbox import Sandbox

from .conftest import open_session


def retrieve(client: stripe.StripeClient, session: Any) -> Any:
    return client.v1.checkout.sessions.retrieve(
        session.id, {"expand": ["payment_intent.latest_charge.balance_transaction"]}
    )


def test_a_new_session_is_open_and_leads_to_the_payment_page(
    client: stripe.StripeClient, price: stripe.Price, sandbox: Sandbox
) -> None:
    session = open_session(client, price, metadata={"a": "b"}, client_reference_id="7")
    assert (session.status, session.payment_status, session.payment_intent) == (
        "open",
        "unpaid",
        None,
    )
    assert (session.amount_total, session.currency) == (1800, "usd")
    assert session.url == f"{sandbox.base_url}/c/pay/{session.id}"
    assert session.metadata.to_dict() == {"a": "b"}
    assert session.client_reference_id == "7"


def test_paying_by_card(client: stripe.StripeClient, price: stripe.Price, sandbox: Sandbox) -> None:
    customer = client.v1.customers.create({"email": "ada@example.com"})
    session = open_session(
        client, price, customer=customer.id, payment_intent_data={"metadata": {"c": "d"}}
    )
    step = sandbox.pay(session.id)
    assert step.url == f"http://site.example/done?id={session.id}"
    paid = retrieve(client, session)
    assert (paid.status, paid.payment_status, paid.url) == ("complete", "paid", None)
    assert paid.customer_details.email == "ada@example.com"
    intent = paid.payment_intent
    assert (intent.status, intent.amount_received) == ("succeeded", 1800)
    assert intent.metadata.to_dict() == {"c": "d"}
    charge = intent.latest_charge
    assert (charge.paid, charge.amount_captured, charge.customer) == (True, 1800, customer.id)
    assert charge.balance_transaction.net == 1800 - 82
    assert [event["type"] for event in sandbox.events()][-4:] == [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        "checkout.session.completed",
    ]


@pytest.mark.parametrize("method", ["declined", "insufficient_funds"])
def test_a_decline_leaves_the_session_open_for_another_try(
    client: stripe.StripeClient, price: stripe.Price, sandbox: Sandbox, method: str
) -> None:
    session = open_session(client, price)
    assert sandbox.pay(session.id, method).error.startswith("Your card")
    tried = retrieve(client, session)
    assert (tried.status, tried.payment_status) == ("open", "unpaid")
    assert tried.payment_intent.last_payment_error.code == "card_declined"
    assert sandbox.pay(session.id, "card").url
    assert retrieve(client, session).payment_intent.id == tried.payment_intent.id
    assert len(sandbox.events("charge.failed")) == 1
    assert len(sandbox.events("checkout.session.completed")) == 1


@pytest.mark.parametrize("approved", [True, False])
def test_the_bank_is_asked(
    client: stripe.StripeClient, price: stripe.Price, sandbox: Sandbox, approved: bool
) -> None:
    session = open_session(client, price)
    step = sandbox.pay(session.id, "authenticate")
    waiting = retrieve(client, session)
    assert step.url == waiting.payment_intent.next_action.redirect_to_url.url
    assert (waiting.status, waiting.payment_intent.status) == ("open", "requires_action")
    step = sandbox.answer_bank(waiting.payment_intent.id, approved=approved)
    assert bool(step.url) is approved
    assert retrieve(client, session).payment_status == ("paid" if approved else "unpaid")


@pytest.mark.parametrize(
    ("method", "event", "payment_status"),
    [
        ("bank_success", "checkout.session.async_payment_succeeded", "paid"),
        ("bank_failure", "checkout.session.async_payment_failed", "unpaid"),
    ],
)
def test_a_bank_debit_completes_first_and_settles_later(
    client: stripe.StripeClient,
    price: stripe.Price,
    sandbox: Sandbox,
    method: str,
    event: str,
    payment_status: str,
) -> None:
    session = open_session(client, price)
    assert sandbox.pay(session.id, method).url
    pending = retrieve(client, session)
    assert (pending.status, pending.payment_status) == ("complete", "unpaid")
    assert pending.payment_intent.status == "processing"
    assert not sandbox.events(event)
    sandbox.advance(seconds=10)
    assert retrieve(client, session).payment_status == payment_status
    assert len(sandbox.events(event)) == 1
    sandbox.settle(pending.payment_intent.id)
    assert len(sandbox.events(event)) == 1


def test_paying_twice_charges_once(
    client: stripe.StripeClient, price: stripe.Price, sandbox: Sandbox
) -> None:
    session = open_session(client, price)
    first, second = sandbox.pay(session.id), sandbox.pay(session.id, "declined")
    assert first == second
    assert len(client.v1.charges.list().data) == 1


def test_a_session_expires_after_a_day(
    client: stripe.StripeClient, price: stripe.Price, sandbox: Sandbox
) -> None:
    session, paid = open_session(client, price), open_session(client, price)
    sandbox.pay(paid.id)
    sandbox.advance(days=2)
    assert retrieve(client, session).status == "expired"
    [event] = sandbox.events("checkout.session.expired")
    assert event["data"]["object"]["id"] == session.id
    assert event["created"] == session.expires_at


def test_an_open_session_can_be_expired(
    client: stripe.StripeClient, price: stripe.Price, sandbox: Sandbox
) -> None:
    session = open_session(client, price)
    assert client.v1.checkout.sessions.expire(session.id).status == "expired"
    with pytest.raises(stripe.InvalidRequestError, match="status of expired"):
        client.v1.checkout.sessions.expire(session.id)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"success_url": ""}, "empty string for .success_url."),
        ({"success_url": "/done"}, "Not a valid URL"),
        ({"line_items": []}, "Missing required param: line_items"),
        ({"line_items": [{"quantity": 1}]}, "either `price` or `price_data`"),
        ({"mode": "subscription"}, "at least one recurring price"),
        ({"mode": "setup", "currency": "usd"}, "`line_items` in `setup` mode"),
        ({"expires_at": 5}, "between 30 minutes and 24 hours"),
        ({"customer": "cus_none"}, "No such customer"),
    ],
)
def test_impossible_sessions_are_refused(
    client: stripe.StripeClient, price: stripe.Price, params: Any, message: str
) -> None:
    with pytest.raises(stripe.InvalidRequestError, match=message):
        open_session(client, price, **params)


def test_a_recurring_price_needs_the_mode_subscription(client: stripe.StripeClient) -> None:
    monthly = client.v1.prices.create(
        {
            "currency": "usd",
            "unit_amount": 1900,
            "recurring": {"interval": "month"},
            "product_data": {"name": "Basic"},
        }
    )
    with pytest.raises(stripe.InvalidRequestError, match="passed a recurring price"):
        open_session(client, monthly)


def test_a_price_can_be_made_for_one_sale(client: stripe.StripeClient, sandbox: Sandbox) -> None:
    session = client.v1.checkout.sessions.create(
        {
            "mode": "payment",
            "line_items": [
                {
                    "price_data": {
                        "currency": "jpy",
                        "unit_amount": 500,
                        "product_data": {"name": "Tea"},
                    },
                    "quantity": 3,
                }
            ],
            "success_url": "http://site.example/",
        }
    )
    assert (session.amount_total, session.currency) == (1500, "jpy")


def test_a_session_that_costs_nothing_needs_no_payment(
    client: stripe.StripeClient, price: stripe.Price, sandbox: Sandbox
) -> None:
    assert isinstance(price.product, str)
    free = client.v1.prices.create({"product": price.product, "unit_amount": 0, "currency": "usd"})
    session = open_session(client, free)
    assert sandbox.pay(session.id).url
    done = client.v1.checkout.sessions.retrieve(session.id)
    assert (done.status, done.payment_status, done.payment_intent) == (
        "complete",
        "no_payment_required",
        None,
    )


@pytest.mark.parametrize(
    "params",
    [
        {"payment_intent_data": {"capture_method": "manual"}},
        {"mode": "subscription", "subscription_data": {"proration_behavior": "none"}},
    ],
)
def test_unsupported_parameters_are_refused(
    client: stripe.StripeClient, price: stripe.Price, params: Any
) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="the sandbox doesn't yet"):
        open_session(client, price, **params)
