"""The sandbox's pages in a real browser: WCAG 2.1 AA, a strict policy, no JavaScript, phones."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from quickscale_stripe_sandbox import Sandbox
from tests.browser import assert_accessible, assert_fits

from .conftest import open_session

pytestmark = pytest.mark.browser


@pytest.fixture(params=[(390, True), (390, False), (1280, True), (1280, False)])
def window(request: Any, browser_page: Any) -> Any:
    """A factory of windows for phone and desktop, dark and light."""
    width, dark = request.param
    return lambda **options: browser_page(width=width, dark=dark, **options)


@pytest.fixture
def shop(served: stripe.StripeClient, sandbox: Sandbox) -> Sandbox:
    sandbox.seed()
    return sandbox


def checkout(client: stripe.StripeClient, sandbox: Sandbox, kind: Any, **params: Any) -> Any:
    price = client.v1.prices.list({"type": kind}).data[0]
    return open_session(
        client,
        price,
        success_url=f"{sandbox.base_url}/_sandbox/?id={{CHECKOUT_SESSION_ID}}",
        mode="payment" if kind == "one_time" else "subscription",
        **params,
    )


def look(page: Any) -> None:
    assert_accessible(page)
    assert_fits(page)


def test_paying_without_javascript(
    served: stripe.StripeClient, shop: Sandbox, browser_page: Any
) -> None:
    page = browser_page(width=390, javascript=False)
    page.goto(checkout(served, shop, "one_time", allow_promotion_codes=True).url)
    page.get_by_label("Promotion code").fill("welcome")
    page.get_by_role("button", name="Apply").click()
    page.get_by_text("10% off").wait_for()
    page.get_by_label("Email").fill("ada@example.com")
    page.get_by_label("Card that is declined").check()
    page.get_by_role("button", name="Pay").click()
    page.get_by_role("alert").wait_for()
    page.get_by_label("Visa •••• 4242").check()
    page.get_by_role("button", name="Pay").click()
    page.wait_for_url("**/_sandbox/**")
    assert served.v1.charges.list().data[0].paid


def test_the_payment_page_and_the_bank(
    served: stripe.StripeClient, shop: Sandbox, window: Any
) -> None:
    session = checkout(
        served, shop, "one_time", allow_promotion_codes=True, automatic_tax={"enabled": True}
    )
    page = window()
    page.goto(session.url)
    look(page)
    page.get_by_label("Promotion code").fill("nothing")
    page.get_by_role("button", name="Apply").click()
    page.get_by_role("alert").wait_for()
    look(page)
    page.get_by_label("Promotion code").fill("welcome")
    page.get_by_role("button", name="Apply").click()
    page.get_by_label("Email").fill("ada@example.com")
    page.get_by_label("Card with 3-D Secure").check()
    page.get_by_role("button", name="Pay").click()
    look(page)
    page.get_by_role("button", name="Refuse").click()
    page.get_by_role("alert").wait_for()
    look(page)
    page.get_by_label("Card with 3-D Secure").check()
    page.get_by_role("button", name="Pay").click()
    page.get_by_role("button", name="Approve").click()
    page.wait_for_url("**/_sandbox/**")
    assert session.id in page.url
    look(page)
    assert served.v1.checkout.sessions.retrieve(session.id).payment_status == "paid"
    page.goto(served.v1.charges.list().data[0].receipt_url)
    look(page)
    page.goto(session.url)
    look(page)


def test_the_portal_and_invoices(served: stripe.StripeClient, shop: Sandbox, window: Any) -> None:
    session = checkout(served, shop, "recurring")
    page = window()
    page.goto(session.url)
    look(page)
    shop.pay(session.id, "renewal_declined")
    shop.advance(days=366)
    customer = served.v1.checkout.sessions.retrieve(session.id).customer
    portal = served.v1.billing_portal.sessions.create(
        {"customer": str(customer), "return_url": "http://site.example/back"}
    )
    page.goto(portal.url)
    look(page)
    page.get_by_label("City").fill("London")
    page.get_by_role("button", name="Save details").click()
    assert page.get_by_label("City").input_value() == "London"
    page.get_by_role("button", name="Cancel at the end").click()
    look(page)
    due = served.v1.invoices.list({"status": "open"}).data[0]
    page.goto(due.hosted_invoice_url)
    look(page)
    page.get_by_role("button", name="Pay invoice").click()
    page.get_by_text("This invoice is paid").wait_for()
    look(page)


def test_saving_a_payment_method(served: stripe.StripeClient, shop: Sandbox, window: Any) -> None:
    customer = served.v1.customers.create({"email": "ada@example.com"})
    session = served.v1.checkout.sessions.create(
        {
            "mode": "setup",
            "customer": customer.id,
            "currency": "usd",
            "success_url": f"{shop.base_url}/_sandbox/?id={{CHECKOUT_SESSION_ID}}",
        }
    )
    page = window()
    page.goto(session.url)
    look(page)
    page.get_by_role("button", name="Save").click()
    page.wait_for_url("**/_sandbox/**")
    done = served.v1.checkout.sessions.retrieve(session.id, {"expand": ["setup_intent"]})
    assert done.status == "complete"
    assert served.v1.payment_methods.list({"customer": customer.id}).data
