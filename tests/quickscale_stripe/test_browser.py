from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from quickscale_stripe.models import Payment, StripePrice, Subscription
from quickscale_stripe.sandbox import Sandbox
from tests.browser import assert_accessible
from tests.quickscale_stripe.shopping import open_checkout
from tests.quickscale_stripe.test_subscriptions import basic, pro, subscribed

__all__ = ["basic", "pro", "subscribed"]

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize(("width", "dark"), [(390, True), (1280, False)])
def test_the_pages_are_accessible_and_fit(
    live_server: Any,
    browser_page: Any,
    shop: Sandbox,
    owner: Any,
    buyer: Client,
    package: StripePrice,
    subscribed: Subscription,
    pro: StripePrice,
    width: int,
    dark: bool,
) -> None:
    shop.pay(open_checkout(owner, package, "one"))
    shop.pay(open_checkout(owner, package, "two"), "bank_success")
    shop.deliver()
    paid = Payment.objects.get(kind="one_time", status="succeeded")
    pending = Payment.objects.get(status="pending")
    page = browser_page(width=width, dark=dark)
    session = buyer.cookies["sessionid"].value
    page.context.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])
    for path in (
        "buy-credits/",
        "buy-credits/cancelled/",
        f"buy-credits/done/?session_id={paid.checkout_session_id}",
        f"buy-credits/done/?session_id={pending.checkout_session_id}",
        "plans/?interval=year",
        "subscription/",
        f"subscription/change/?price={pro.pk}",
        "payments/",
        f"payments/{paid.pk}/",
        f"payments/{paid.pk}/receipt/",
    ):
        page.goto(f"{live_server.url}/dashboard/{path}")
        assert_accessible(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
