"""The admin's own pages in a browser: a job that runs by itself, and one that a button runs."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from quickscale_stripe.models import Payment, StripePrice, StripeProduct
from quickscale_stripe.sandbox import Sandbox
from tests.browser import assert_accessible
from tests.quickscale_stripe.shopping import open_checkout

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

ADMIN = "/admin/quickscale_stripe"
#: The admin has no icon. Its forms.css imports another file, which the checker copies inline.
ALLOWED = ["404 (Not Found)", "inline style", "style-src-elem"]


def log_in(page: Any, client: Client, url: str) -> None:
    session = client.cookies["sessionid"].value
    page.context.add_cookies([{"name": "sessionid", "value": session, "url": url}])


@pytest.mark.parametrize("javascript", [True, False])
def test_a_job_for_many(
    live_server: Any,
    browser_page: Any,
    shop: Sandbox,
    admin_client: Client,
    javascript: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("quickscale_stripe.admin.base.AT_ONCE", 2)
    StripeProduct.objects.update(name="x")
    page = browser_page(javascript=javascript, allow=ALLOWED)
    log_in(page, admin_client, live_server.url)
    page.goto(f"{live_server.url}{ADMIN}/stripeproduct/")
    page.click("text=Sync all from Stripe")
    if not javascript:
        for done in (0, 2, 4):
            assert page.locator("progress").get_attribute("value") == str(done)
            page.click("input[value=Continue]")
    page.wait_for_selector("text=5 of 5")
    assert not StripeProduct.objects.filter(name="x").exists()


@pytest.mark.parametrize(("width", "dark"), [(390, True), (1280, False)])
def test_the_pages_are_accessible_and_fit(
    live_server: Any,
    browser_page: Any,
    shop: Sandbox,
    owner: Any,
    admin_client: Client,
    package: StripePrice,
    width: int,
    dark: bool,
) -> None:
    shop.pay(open_checkout(owner, package))
    shop.deliver()
    payment = Payment.objects.get()
    page = browser_page(width=width, dark=dark, allow=ALLOWED)
    log_in(page, admin_client, live_server.url)
    for path in (
        f"stripeproduct/{package.product_id}/change/",
        f"stripeprice/{package.pk}/change/",
        f"stripeprice/{package.pk}/take/archive/",
        "stripeproduct/order/",
        f"payment/{payment.pk}/refund/",
    ):
        page.goto(f"{live_server.url}{ADMIN}/{path}")
        assert_accessible(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
    page.click("text=Preview")
    page.click("text=Refund $9.00")
    page.wait_for_selector("text=$9.00 go back, and 100 credits with them.")
