"""The admin's pages in a browser: a job that continues by itself or by a button."""

from __future__ import annotations

import re
from typing import Any

import pytest

from quickscale_credits.models import CreditAccount
from quickscale_stripe.models import Payment, StripePrice, StripeProduct, Subscription
from quickscale_stripe_sandbox import Sandbox
from tests.browser import assert_accessible, log_in
from tests.quickscale_stripe.shopping import open_checkout
from tests.quickscale_stripe.test_subscriptions import basic, subscribed

__all__ = ["basic", "subscribed"]

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

ADMIN = "/admin/quickscale_stripe"
#: The admin has no icon. Its forms.css imports another file, which the checker inlines.
ALLOWED = ["404 (Not Found)", "inline style", "style-src-elem"]


@pytest.mark.parametrize("javascript", [True, False])
def test_a_job_for_many(
    live_server: Any,
    browser_page: Any,
    many_products: Sandbox,
    admin_user: Any,
    javascript: bool,
) -> None:
    StripeProduct.objects.update(name="x")
    page = browser_page(javascript=javascript, allow=ALLOWED)
    log_in(page, live_server, admin_user)
    page.goto(f"{live_server.url}{ADMIN}/stripeproduct/")
    page.click("text=Sync all from Stripe")
    if not javascript:
        for done in (0, 5, 10):
            assert page.locator("progress").get_attribute("value") == str(done)
            page.click("input[value=Continue]")
    page.wait_for_selector("text=12 of 12")
    assert not StripeProduct.objects.filter(name="x").exists()


@pytest.mark.parametrize(("width", "dark"), [(390, True), (1280, False)])
def test_the_pages_are_accessible_and_fit(
    live_server: Any,
    browser_page: Any,
    shop: Sandbox,
    owner: Any,
    admin_user: Any,
    package: StripePrice,
    width: int,
    dark: bool,
) -> None:
    shop.pay(open_checkout(owner, package))
    shop.deliver()
    payment = Payment.objects.get()
    page = browser_page(width=width, dark=dark, allow=ALLOWED)
    log_in(page, live_server, admin_user)
    for path in (
        f"stripeproduct/{package.product_id}/change/",
        f"stripeprice/{package.pk}/change/",
        f"stripeprice/{package.pk}/take/archive/",
        f"payment/{payment.pk}/refund/",
    ):
        page.goto(f"{live_server.url}{ADMIN}/{path}")
        assert_accessible(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
    page.click("text=Preview")
    page.click("text=Refund $9.00")
    page.wait_for_selector("text=$9.00 goes back, and 100 credits are taken back.")


def test_a_long_title_lies_beside_no_button_and_lists_show_what_support_needs(
    live_server: Any,
    browser_page: Any,
    shop: Sandbox,
    owner: Any,
    admin_user: Any,
    subscribed: Subscription,
    package: StripePrice,
) -> None:
    shop.pay(open_checkout(owner, package))
    shop.deliver()
    account = CreditAccount.objects.get()
    page = browser_page(allow=ALLOWED)
    log_in(page, live_server, admin_user)
    for path in (
        f"quickscale_stripe/subscription/{subscribed.pk}/change/",
        f"quickscale_stripe/payment/{Payment.objects.first().pk}/change/",
        f"quickscale_credits/creditaccount/{account.pk}/change/",
    ):
        page.goto(f"{live_server.url}/admin/{path}")
        title = page.locator("#content > h2").bounding_box()
        for button in page.locator(".object-tools li").all():
            box = button.bounding_box()
            assert box["y"] >= title["y"] + title["height"], path
    for path, columns in {
        "quickscale_stripe/payment/": ["Owner", "Amount", "Refunded", "Status", "Receipt number"],
        "quickscale_stripe/subscription/": ["Owner", "Price", "Status", "Period ends"],
        "quickscale_stripe/stripeproduct/": ["Name", "Active"],
        "quickscale_stripe/stripeevent/": ["Type", "Status", "Error"],
        "quickscale_credits/creditaccount/": ["Owner", "Status", "Available", "On hold"],
        "quickscale_credits/credittransaction/": ["Account", "Kind", "Amount", "Description"],
    }.items():
        page.goto(f"{live_server.url}/admin/{path}")
        edge = page.locator("#changelist-form .results").bounding_box()
        for name in columns:
            head = page.locator(
                "#result_list thead .text", has_text=re.compile(f"^\\s*{name}\\s*$")
            )
            box = head.first.bounding_box()
            assert box["x"] + box["width"] <= edge["x"] + edge["width"] + 1, (path, name)
