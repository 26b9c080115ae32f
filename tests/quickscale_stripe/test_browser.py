from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from quickscale_stripe.models import Payment, StripePrice, Subscription
from quickscale_stripe_sandbox import Sandbox
from tests.browser import assert_accessible, assert_shown_whole, log_in
from tests.owners import user_of
from tests.quickscale_stripe.shopping import intent_of, open_checkout
from tests.quickscale_stripe.test_subscriptions import basic, pro, subscribed

__all__ = ["basic", "pro", "subscribed"]

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_lists_and_choices_are_swapped_in_place(
    live_server: Any, browser_page: Any, shop: Sandbox, owner: Any, settings: Any
) -> None:
    """The page isn't reloaded, the address changes, and the focus stays or starts the list."""
    settings.QUICKSCALE_STRIPE_PAGE_SIZE = 10
    Payment.objects.bulk_create(
        Payment(
            owner=owner, kind="invoice" if number % 2 else "one_time", total=number,
            amount=number, currency="jpy", created_at=timezone.now(),
        )
        for number in range(25)
    )  # fmt: skip
    page = browser_page()
    log_in(page, live_server, user_of(owner))

    page.goto(f"{live_server.url}/dashboard/payments/")
    page.evaluate("window.stays = true")
    page.locator("#payments-next").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#payments .pagination-list")).to_contain_text("2")
    assert page.url.endswith("?page=2")
    expect(page.locator("#payments")).to_be_focused()
    page.locator("select[name=kind]").select_option("invoice")
    expect(page.locator("#payments .pagination-list")).to_contain_text("1 of 2")
    assert page.evaluate("window.stays")

    page.goto(f"{live_server.url}/dashboard/plans/")
    page.evaluate("window.stays = true")
    page.locator("#interval-year").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#interval-year")).to_have_attribute("aria-current", "true")
    expect(page.locator("#interval-year")).to_be_focused()
    assert page.url.endswith("?interval=year")
    assert page.evaluate("window.stays")


def test_the_amount_of_an_upgrade_comes_after_the_plans(
    live_server: Any, browser_page: Any, shop: Sandbox, owner: Any, subscribed: Subscription
) -> None:
    page = browser_page()
    log_in(page, live_server, user_of(owner))
    page.goto(f"{live_server.url}/dashboard/plans/")
    expect(page.get_by_role("button", name="Upgrade for $30.00 today")).to_be_visible()
    assert_accessible(page)


def test_a_pending_payment_becomes_the_result_without_a_reload(
    live_server: Any, browser_page: Any, shop: Sandbox, owner: Any, package: StripePrice
) -> None:
    session = open_checkout(owner, package)
    shop.pay(session, "bank_success")
    shop.deliver()
    page = browser_page()
    log_in(page, live_server, user_of(owner))
    page.goto(f"{live_server.url}/dashboard/buy-credits/done/?session_id={session}")
    expect(page.get_by_role("heading", level=1)).to_have_text("Your payment is being confirmed")
    page.evaluate("window.stays = true")
    heading = page.get_by_role("heading", level=1)
    heading.evaluate("element => { element.stays = true; }")
    expect(page.locator("#checkout-check[hx-get$='check=2']")).to_be_attached(timeout=20_000)
    assert heading.evaluate("element => element.stays"), "A check replaces only itself."
    shop.settle(intent_of(Payment.objects.get()))
    expect(heading).to_have_text("Thank you. Your payment is complete.", timeout=20_000)
    assert page.evaluate("window.stays")


def test_tables_show_everything_on_a_phone(
    live_server: Any,
    browser_page: Any,
    shop: Sandbox,
    owner: Any,
    package: StripePrice,
    pro: StripePrice,
) -> None:
    shop.pay(open_checkout(owner, package))
    shop.deliver()
    paid = Payment.objects.get()
    page = browser_page(width=320)
    log_in(page, live_server, user_of(owner))
    for path in ("payments/", "plans/", f"payments/{paid.pk}/receipt/"):
        page.goto(f"{live_server.url}/dashboard/{path}")
        assert_shown_whole(page)
    page.goto(f"{live_server.url}/dashboard/payments/")
    row = page.locator("#payments tbody tr")
    expect(row).to_contain_text(paid.receipt_number)
    expect(page.locator("[aria-live]:not(#announcement)")).to_have_count(0)
