"""Coupons, promotion codes and tax."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from quickscale_stripe_sandbox import Sandbox
from quickscale_stripe_sandbox.internal.http import respond

from .conftest import open_session
from .test_billing import customer_with, subscribe


def make_code(client: stripe.StripeClient, code: str = "SPRING", **coupon: Any) -> Any:
    made = client.v1.coupons.create(coupon or {"percent_off": 25.0, "duration": "once"})
    return client.v1.promotion_codes.create(
        {"code": code, "promotion": {"type": "coupon", "coupon": made.id}}
    )


@pytest.fixture
def plan(client: stripe.StripeClient) -> stripe.Price:
    """10.00 USD a month."""
    return plan_of(client, 1000)


def plan_of(client: stripe.StripeClient, amount: int) -> stripe.Price:
    return client.v1.prices.create(
        {
            "product_data": {"name": f"Plan for {amount}"},
            "unit_amount": amount,
            "currency": "usd",
            "recurring": {"interval": "month"},
        }
    )


def test_a_code_lowers_what_is_paid_and_can_be_taken_off(
    client: stripe.StripeClient, price: stripe.Price, sandbox: Sandbox
) -> None:
    code = make_code(client)
    session = open_session(client, price, allow_promotion_codes=True)
    assert sandbox.enter_code(session.id, "spring") == ""
    seen = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["line_items"]})
    assert (seen.amount_subtotal, seen.amount_total) == (1800, 1350)
    assert seen.total_details.amount_discount == 450  # type: ignore[union-attr]
    assert seen.line_items.data[0].amount_total == 1350  # type: ignore[union-attr]
    assert seen.discounts[0].promotion_code == code.id  # type: ignore[index]

    sandbox.enter_code(session.id, "")
    assert client.v1.checkout.sessions.retrieve(session.id).amount_total == 1800

    sandbox.enter_code(session.id, "SPRING")
    sandbox.pay(session.id)
    assert client.v1.charges.list().data[0].amount == 1350
    assert client.v1.promotion_codes.retrieve(code.id).times_redeemed == 1


def test_a_code_after_a_declined_card_lowers_the_next_attempt(
    client: stripe.StripeClient, price: stripe.Price, sandbox: Sandbox
) -> None:
    make_code(client)
    session = open_session(client, price, allow_promotion_codes=True)
    assert sandbox.pay(session.id, "declined").error
    sandbox.enter_code(session.id, "SPRING")
    sandbox.pay(session.id)
    assert client.v1.charges.list().data[0].amount == 1350


def test_codes_that_are_refused(
    client: stripe.StripeClient, price: stripe.Price, sandbox: Sandbox
) -> None:
    session = open_session(client, price, allow_promotion_codes=True)
    assert "invalid" in sandbox.enter_code(session.id, "NONE")

    coupon = client.v1.coupons.create({"amount_off": 100, "currency": "eur"})
    made: Any = {"promotion": {"type": "coupon", "coupon": coupon.id}}
    client.v1.promotion_codes.create({**made, "code": "EURO"})
    assert "another currency" in sandbox.enter_code(session.id, "EURO")

    coupon = client.v1.coupons.create({"percent_off": 10.0})
    made = {"promotion": {"type": "coupon", "coupon": coupon.id}}
    stranger = client.v1.customers.create()
    client.v1.promotion_codes.create({**made, "code": "HERS", "customer": stranger.id})
    assert "isn't for you" in sandbox.enter_code(session.id, "HERS")
    client.v1.promotion_codes.create(
        {**made, "code": "LARGE", "restrictions": {"minimum_amount": 1801}}
    )
    assert "larger purchase" in sandbox.enter_code(session.id, "LARGE")
    once = client.v1.promotion_codes.create({**made, "code": "ONCE", "max_redemptions": 1})
    sandbox.enter_code(session.id, "ONCE")
    sandbox.pay(session.id)
    assert client.v1.promotion_codes.retrieve(once.id).active is False
    another = open_session(client, price, allow_promotion_codes=True)
    assert "invalid" in sandbox.enter_code(another.id, "ONCE")
    off = client.v1.promotion_codes.create({**made, "code": "OFF"})
    client.v1.promotion_codes.update(off.id, {"active": False})
    assert "invalid" in sandbox.enter_code(another.id, "OFF")


def test_a_page_takes_codes_only_when_it_was_told_to(
    client: stripe.StripeClient, price: stripe.Price, sandbox: Sandbox
) -> None:
    make_code(client)
    session = open_session(client, price)
    assert "doesn't take promotion codes" in sandbox.enter_code(session.id, "SPRING")
    assert b'name="code"' not in respond(sandbox, "GET", f"/c/pay/{session.id}", {}).body
    coupon = client.v1.coupons.create({"percent_off": 10.0})
    with pytest.raises(stripe.InvalidRequestError, match="only specify one"):
        open_session(client, price, allow_promotion_codes=True, discounts=[{"coupon": coupon.id}])


def test_a_discount_of_the_whole_price_needs_no_payment(
    client: stripe.StripeClient, price: stripe.Price, sandbox: Sandbox
) -> None:
    coupon = client.v1.coupons.create({"percent_off": 100.0})
    session = open_session(client, price, discounts=[{"coupon": coupon.id}])
    assert session.payment_status == "no_payment_required"
    sandbox.pay(session.id)
    assert client.v1.checkout.sessions.retrieve(session.id).status == "complete"
    assert not client.v1.charges.list().data


def test_an_amount_off_is_spread_over_the_items(
    client: stripe.StripeClient, price: stripe.Price
) -> None:
    coupon = client.v1.coupons.create({"amount_off": 1000, "currency": "usd"})
    session = open_session(
        client,
        price,
        line_items=[{"price": price.id, "quantity": 1}, {"price": price.id, "quantity": 2}],
        discounts=[{"coupon": coupon.id}],
        expand=["line_items"],
    )
    assert [item.amount_discount for item in session.line_items.data] == [333, 667]
    assert session.amount_total == 1700


@pytest.mark.parametrize(
    ("duration", "paid"),
    [
        ({"duration": "once"}, [750, 1000, 1000, 1000]),
        ({"duration": "repeating", "duration_in_months": 2}, [750, 750, 1000, 1000]),
        ({"duration": "forever"}, [750, 750, 750, 750]),
    ],
)
def test_how_long_a_subscription_is_cheaper(
    client: stripe.StripeClient,
    plan: stripe.Price,
    sandbox: Sandbox,
    duration: Any,
    paid: list[int],
) -> None:
    coupon = client.v1.coupons.create({"percent_off": 25.0, **duration})
    session = open_session(
        client,
        plan,
        mode="subscription",
        line_items=[{"price": plan.id, "quantity": 1}],
        discounts=[{"coupon": coupon.id}],
    )
    sandbox.pay(session.id)
    for _month in range(3):
        sandbox.advance(days=31)
    invoices = client.v1.invoices.list().data[::-1][:4]
    assert [invoice.amount_paid for invoice in invoices] == paid
    assert [charge.amount for charge in client.v1.charges.list().data[::-1][:4]] == paid
    first = client.v1.invoices.retrieve(invoices[0].id, {"expand": ["discounts"]})
    assert first.subtotal == 1000
    assert first.total_discount_amounts[0].amount == 250  # type: ignore[index]
    assert first.discounts[0].source.coupon == coupon.id  # type: ignore[union-attr]


def test_an_upgrade_credits_what_was_paid_and_not_the_full_price(
    client: stripe.StripeClient, plan: stripe.Price, sandbox: Sandbox
) -> None:
    coupon = client.v1.coupons.create({"percent_off": 50.0, "duration": "once"})
    customer = customer_with(client, "pm_card_visa")
    subscription = subscribe(client, customer, plan, discounts=[{"coupon": coupon.id}])
    item = subscription["items"].data[0]
    dearer = plan_of(client, 3000)
    change: Any = {
        "items": [{"id": item.id, "price": dearer.id}],
        "proration_behavior": "always_invoice",
        "proration_date": item.current_period_start,
    }
    changed = client.v1.subscriptions.update(subscription.id, change)
    invoice = client.v1.invoices.retrieve(str(changed.latest_invoice))
    assert sorted(line.amount for line in invoice.lines.data) == [-500, 3000]

    back = {**change, "items": [{"id": item.id, "price": plan.id}]}
    changed = client.v1.subscriptions.update(subscription.id, back)
    invoice = client.v1.invoices.retrieve(str(changed.latest_invoice))
    assert sorted(line.amount for line in invoice.lines.data) == [-3000, 1000]


@pytest.mark.parametrize(
    ("behavior", "total", "tax"), [("exclusive", 1080, 180), ("inclusive", 900, 150)]
)
def test_tax_comes_on_top_or_is_in_the_price(
    client: stripe.StripeClient, sandbox: Sandbox, behavior: Any, total: int, tax: int
) -> None:
    price = client.v1.prices.create(
        {
            "product_data": {"name": "Pack"},
            "unit_amount": 900,
            "currency": "usd",
            "tax_behavior": behavior,
        }
    )
    session = open_session(
        client,
        price,
        line_items=[{"price": price.id, "quantity": 1}],
        automatic_tax={"enabled": True},
    )
    assert (session.amount_total, session.total_details.amount_tax) == (total, tax)
    assert session.automatic_tax.status == "complete"
    page = respond(sandbox, "GET", f"/c/pay/{session.id}", {}).body.decode()
    assert "Tax (20%)" in page
    sandbox.pay(session.id)
    assert client.v1.charges.list().data[0].amount == total


def test_a_taxed_subscription_stays_taxed(
    client: stripe.StripeClient, plan: stripe.Price, sandbox: Sandbox
) -> None:
    coupon = client.v1.coupons.create({"percent_off": 25.0, "duration": "once"})
    session = open_session(
        client,
        plan,
        mode="subscription",
        line_items=[{"price": plan.id, "quantity": 1}],
        automatic_tax={"enabled": True},
        discounts=[{"coupon": coupon.id}],
    )
    sandbox.pay(session.id)
    sandbox.advance(days=31)
    renewal, first = client.v1.invoices.list().data
    assert (first.total, first.total_excluding_tax, first.subtotal) == (900, 750, 1000)
    assert first.total_taxes[0].amount == 150  # type: ignore[index]
    assert (renewal.total, renewal.amount_paid) == (1200, 1200)
    assert renewal.lines.data[0].taxes[0].taxable_amount == 1000  # type: ignore[index]
    session = client.v1.checkout.sessions.retrieve(session.id)
    assert session.amount_total == first.amount_paid


def test_the_hosted_page_takes_a_code(
    client: stripe.StripeClient, price: stripe.Price, sandbox: Sandbox
) -> None:
    make_code(client)
    path = f"/c/pay/{open_session(client, price, allow_promotion_codes=True).id}"
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    refused = respond(sandbox, "POST", path, form, b"code=NO").body.decode()
    assert "This code is invalid." in refused
    assert 'value="NO"' in refused
    assert respond(sandbox, "POST", path, form, b"code=SPRING").status == 303
    page = respond(sandbox, "GET", path, {}).body.decode()
    assert "Remove SPRING" in page
    assert "25% off" in page
    assert "Pay $13.50" in page
    assert respond(sandbox, "POST", path, form, b"code=").status == 303
    assert "Pay $18.00" in respond(sandbox, "GET", path, {}).body.decode()


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"percent_off": 10.0, "amount_off": 5, "currency": "usd"},
        {"amount_off": 5},
        {"percent_off": 120.0},
        {"percent_off": 10.0, "duration": "repeating"},
    ],
)
def test_impossible_coupons_are_refused(client: stripe.StripeClient, params: Any) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.coupons.create(params)


def test_a_deleted_coupon_stays_on_existing_discounts(
    client: stripe.StripeClient, plan: stripe.Price, sandbox: Sandbox
) -> None:
    coupon = client.v1.coupons.create({"id": "HALF", "percent_off": 50.0, "duration": "forever"})
    customer = customer_with(client, "pm_card_visa")
    subscribe(client, customer, plan, discounts=[{"coupon": coupon.id}])
    client.v1.coupons.delete("HALF")
    with pytest.raises(stripe.InvalidRequestError, match="No such coupon"):
        subscribe(client, customer, plan, discounts=[{"coupon": "HALF"}])
    sandbox.advance(days=31)
    assert client.v1.invoices.list().data[0].amount_paid == 500
    assert not client.v1.coupons.list().data


def test_an_invoice_shows_its_discount_and_tax(
    client: stripe.StripeClient, plan: stripe.Price, sandbox: Sandbox
) -> None:
    coupon = client.v1.coupons.create({"percent_off": 25.0, "duration": "once"})
    customer = customer_with(client, "pm_card_visa")
    subscribe(
        client,
        customer,
        plan,
        discounts=[{"coupon": coupon.id}],
        automatic_tax={"enabled": True},
    )
    address = str(client.v1.invoices.list().data[0].hosted_invoice_url)
    page = respond(sandbox, "GET", address.removeprefix(sandbox.base_url), {}).body.decode()
    assert "<dt>Discount</dt><dd>\N{MINUS SIGN}$2.50</dd>" in page
    assert "<dt>Tax</dt><dd>$1.50</dd>" in page
    assert "<dt>Total</dt><dd>$9.00</dd>" in page
