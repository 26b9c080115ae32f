"""The pages for buyers and developers."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import stripe

from quickscale_stripe_sandbox import Sandbox, SandboxResponse
from quickscale_stripe_sandbox.internal.http import respond

from .conftest import open_session

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}


def post(sandbox: Sandbox, path: str, form: str, **headers: str) -> SandboxResponse:
    return respond(sandbox, "POST", path, {**FORM, **headers}, form.encode())


def act(sandbox: Sandbox, name: str, **values: Any) -> Any:
    answer = respond(sandbox, "POST", f"/_sandbox/{name}", JSON, json.dumps(values).encode())
    return json.loads(answer.body)


def page_of(session: Any) -> str:
    return f"/c/pay/{session.id}"


def test_the_payment_page_loads_nothing_from_other_sites(
    client: stripe.StripeClient, price: stripe.Price, sandbox: Sandbox
) -> None:
    page = respond(sandbox, "GET", page_of(open_session(client, price)), {})
    assert page.status == 200
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'; style-src 'self'" in policy
    assert "form-action 'self' http://site.example;" in policy
    text = page.body.decode()
    assert "$18.00" in text
    assert "Sandbox: no real money" in text
    assert not re.search(r"<script|<style|style=|\son\w+=", text)
    style = respond(sandbox, "GET", "/_sandbox/style.css", {})
    assert style.headers["Content-Type"].startswith("text/css")


def test_paying_by_the_form(
    client: stripe.StripeClient, price: stripe.Price, sandbox: Sandbox
) -> None:
    session = open_session(client, price)
    declined = post(sandbox, page_of(session), "method=declined&email=a%40b.co&name=Ada")
    assert declined.status == 200
    assert 'role="alert"' in declined.body.decode()
    assert 'value="a@b.co"' in declined.body.decode()
    paid = post(sandbox, page_of(session), "method=card&email=a%40b.co&name=Ada")
    assert (paid.status, paid.headers["Location"]) == (
        303,
        f"http://site.example/done?id={session.id}",
    )
    done = respond(sandbox, "GET", page_of(session), {}).body.decode()
    assert "You&#x27;re all done here" in done
    assert f"http://site.example/done?id={session.id}" in done


def test_an_unknown_method_and_page_are_refused(
    client: stripe.StripeClient, price: stripe.Price, sandbox: Sandbox
) -> None:
    session = open_session(client, price)
    assert post(sandbox, page_of(session), "method=gold&email=a%40b.co").status == 400
    assert respond(sandbox, "GET", "/c/pay/cs_none", {}).status == 404
    assert respond(sandbox, "GET", "/elsewhere", {}).status == 404
    assert respond(sandbox, "PUT", page_of(session), {}).status == 405


def test_another_site_cannot_post_here(
    client: stripe.StripeClient, price: stripe.Price, sandbox: Sandbox
) -> None:
    session = open_session(client, price)
    answer = post(sandbox, page_of(session), "method=card", **{"Sec-Fetch-Site": "cross-site"})
    assert answer.status == 403
    assert client.v1.checkout.sessions.retrieve(session.id).status == "open"


def test_what_a_shop_writes_is_escaped(client: stripe.StripeClient, sandbox: Sandbox) -> None:
    price = client.v1.prices.create(
        {
            "currency": "usd",
            "unit_amount": 50,
            "product_data": {"name": "<script>alert(1)</script>"},
        }
    )
    page = respond(sandbox, "GET", page_of(open_session(client, price)), {})
    assert b"<script" not in page.body


def test_the_receipt(client: stripe.StripeClient, price: stripe.Price, sandbox: Sandbox) -> None:
    sandbox.pay(open_session(client, price).id)
    url = client.v1.charges.list().data[0].receipt_url
    assert url
    page = respond(sandbox, "GET", url.removeprefix(sandbox.base_url), {})
    assert "$18.00" in page.body.decode()


def test_the_control_page_speaks_json(
    client: stripe.StripeClient, price: stripe.Price, sandbox: Sandbox
) -> None:
    secret = act(sandbox, "endpoint", url="http://127.0.0.1:1/")["secret"]
    assert act(sandbox, "delivery", when="hold", copies=2) == {}
    session = open_session(client, price)
    assert act(sandbox, "pay", session=session.id)["url"].startswith("http://site.example/")
    state = json.loads(respond(sandbox, "GET", "/_sandbox/state", {}).body)
    assert state["delivery"] == {"when": "hold", "copies": 2, "delay": 0}
    assert state["endpoints"] == [{"url": "http://127.0.0.1:1/", "secret": secret, "thin": False}]
    events = json.loads(respond(sandbox, "GET", "/_sandbox/events", {}).body)
    assert events[-1]["type"] == "checkout.session.completed"
    assert act(sandbox, "deliver") == {"delivered": 0}
    act(sandbox, "release")
    assert act(sandbox, "deliver") == {"delivered": 8}
    log = json.loads(respond(sandbox, "GET", "/_sandbox/deliveries", {}).body)
    assert {row["state"] for row in log} == {"pending"}
    act(sandbox, "advance", days=1)
    later = json.loads(respond(sandbox, "GET", "/_sandbox/state", {}).body)
    assert later["now"] >= state["now"] + 86400
    act(sandbox, "seed")
    assert len(client.v1.products.list().data) == 1


def test_money_goes_back_by_the_control_page(
    client: stripe.StripeClient, price: stripe.Price, sandbox: Sandbox
) -> None:
    sandbox.pay(open_session(client, price).id)
    [charge] = client.v1.charges.list().data
    refund = act(sandbox, "refund", charge=charge.id, amount=500)["refund"]
    dispute = act(sandbox, "dispute", charge=charge.id)["dispute"]
    page = respond(sandbox, "GET", "/_sandbox/", {}).body.decode()
    assert all(f'value="{value}"' in page for value in (charge.id, refund, dispute))
    act(sandbox, "fail_refund", refund=refund)
    act(sandbox, "close_dispute", dispute=dispute, won=True)
    assert client.v1.refunds.retrieve(refund).status == "failed"
    assert client.v1.disputes.retrieve(dispute).status == "won"


@pytest.fixture
def monthly(client: stripe.StripeClient) -> list[stripe.Price]:
    """A basic and a pro plan."""
    return [
        client.v1.prices.create(
            {
                "currency": "usd",
                "unit_amount": amount,
                "recurring": {"interval": "month"},
                "product_data": {"name": name},
            }
        )
        for name, amount in (("Basic", 1000), ("Pro", 3000))
    ]


def test_the_portal(
    client: stripe.StripeClient, monthly: list[stripe.Price], sandbox: Sandbox
) -> None:
    sandbox.seed()
    session = open_session(client, monthly[0], mode="subscription")
    sandbox.pay(session.id)
    [subscription] = client.v1.subscriptions.list().data
    assert isinstance(subscription.customer, str)
    portal = client.v1.billing_portal.sessions.create(
        {"customer": subscription.customer, "return_url": "http://site.example/back"}
    )
    path = portal.url.removeprefix(sandbox.base_url)
    page = respond(sandbox, "GET", path, {}).body.decode()
    assert "http://site.example/back" in page
    assert "Pro: $30.00 per month" in page

    def press(form: str) -> Any:
        answer = post(sandbox, path, f"subscription={subscription.id}&{form}")
        assert answer.status == 303
        return client.v1.subscriptions.retrieve(subscription.id)

    ending = press("action=cancel")
    assert (ending.cancel_at_period_end, ending.cancel_at is None) == (False, False)
    assert press("action=keep").cancel_at is None
    changed = press(f"action=change&price={monthly[1].id}")
    assert changed.items.data[0].price.id == monthly[1].id
    own = changed.default_payment_method
    assert press("action=method&method=renewal_declined").default_payment_method == own
    customer = client.v1.customers.retrieve(subscription.customer)
    assert customer.invoice_settings
    assert customer.invoice_settings.default_payment_method not in (None, own)
    assert post(sandbox, path, "action=details&name=Ada+Ltd&city=London&country=GB").status == 303
    customer = client.v1.customers.retrieve(subscription.customer)
    assert (customer.name, customer.address and customer.address.city) == ("Ada Ltd", "London")
    assert sandbox.events("customer.updated")
    assert 'value="London"' in respond(sandbox, "GET", path, {}).body.decode()
    other = client.v1.customers.create({})
    foreign = client.v1.billing_portal.sessions.create({"customer": other.id})
    answer = post(
        sandbox,
        foreign.url.removeprefix(sandbox.base_url),
        f"subscription={subscription.id}&action=cancel",
    )
    assert answer.status == 404


def test_an_open_invoice_is_paid_on_its_page(
    client: stripe.StripeClient, monthly: list[stripe.Price], sandbox: Sandbox
) -> None:
    session = open_session(client, monthly[0], mode="subscription")
    sandbox.pay(session.id, "renewal_declined")
    sandbox.advance(days=32)
    invoice = client.v1.invoices.list({"status": "open"}).data[0]
    assert invoice.hosted_invoice_url
    path = invoice.hosted_invoice_url.removeprefix(sandbox.base_url)
    assert b"Pay invoice" in respond(sandbox, "GET", path, {}).body
    assert b'role="alert"' in post(sandbox, path, "method=declined").body
    assert b"This invoice is paid" in post(sandbox, path, "method=card").body
    assert client.v1.subscriptions.list().data[0].status == "active"


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("delivery", {"when": "never"}),
        ("advance", {"days": "many"}),
        ("resend", {}),
        ("pay", {"session": "cs_none"}),
        ("explode", {}),
    ],
)
def test_impossible_actions_are_reported(sandbox: Sandbox, name: str, values: Any) -> None:
    assert "error" in act(sandbox, name, **values)


def test_the_buttons_of_the_control_page_lead_back_to_it(sandbox: Sandbox) -> None:
    answer = post(sandbox, "/_sandbox/seed", "")
    assert (answer.status, answer.headers["Location"]) == (303, f"{sandbox.base_url}/_sandbox/")
    assert respond(sandbox, "GET", "/_sandbox/", {}).status == 200
