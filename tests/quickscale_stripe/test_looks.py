"""Our pages in sites with other frameworks: Bootstrap 3, Bootstrap 5, Tailwind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps

from quickscale_credits.models import CreditAccount, Service, ServiceUsage
from quickscale_credits.services import create_missing_rows, register_temporarily
from quickscale_stripe.models import Payment, StripePrice, Subscription
from quickscale_stripe_sandbox import Sandbox
from tests.browser import assert_accessible, assert_fits, log_in
from tests.looks import site_of
from tests.owners import user_of
from tests.quickscale_credits.surface import Shout, Whisper
from tests.quickscale_stripe.shopping import open_checkout
from tests.quickscale_stripe.test_subscriptions import basic, pro, subscribed

__all__ = ["basic", "pro", "subscribed"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        not apps.is_installed("quickscale_credits"), reason="looks at the pages of both apps"
    ),
]

# Paints the backgrounds of an element and its ancestors, then its colour, and reads the pixels.
UNREADABLE = """() => {
  const context = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const paint = (colour) => { context.fillStyle = colour; context.fillRect(0, 0, 1, 1); };
  const luminance = () => {
    const [red, green, blue] = [...context.getImageData(0, 0, 1, 1).data].map((value) => {
      const part = value / 255;
      return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const contrast = (element) => {
    paint("white");
    const around = [];
    for (let each = element; each; each = each.parentElement) {
      around.unshift(getComputedStyle(each).backgroundColor);
    }
    around.forEach(paint);
    const ground = luminance();
    paint(getComputedStyle(element).color);
    const text = luminance();
    return (Math.max(ground, text) + 0.05) / (Math.min(ground, text) + 0.05);
  };
  const texts = document.querySelectorAll("main :is(label, th, dt, dd, a, button, h1, h2, h3, p)");
  return [...texts].filter((element) => element.textContent.trim() && contrast(element) < 4.5)
    .map((element) => `${contrast(element).toFixed(1)} ${element.outerHTML.slice(0, 150)}`);
}"""


@pytest.fixture(
    params=[
        ("bootstrap3", "plain"),
        ("bootstrap5", "bootstrap5"),
        ("tailwind", "plain"),
    ],
    ids="-".join,
)
def site(request: Any, settings: Any) -> Iterator[None]:
    yield from site_of(*request.param, settings)


@pytest.fixture
def pages(
    shop: Sandbox, owner: Any, package: StripePrice, subscribed: Subscription, pro: StripePrice
) -> Iterator[list[str]]:
    shop.pay(open_checkout(owner, package, "one"))
    shop.pay(open_checkout(owner, package, "two"), "bank_success")
    shop.deliver()
    paid = Payment.objects.get(kind="one_time", status="succeeded")
    pending = Payment.objects.get(status="pending")
    account = CreditAccount.objects.for_owner(owner)
    with register_temporarily(Shout, Whisper):
        create_missing_rows()
        account.consume_credits(1, "A use")
        entry = account.transactions.latest("sequence")
        usage = ServiceUsage.objects.create(
            service=Service.objects.get(slug="shout"), account=account, transaction=entry, cost=1,
            metadata={"result": {"Words": 3}},
        )  # fmt: skip
        yield [
            "dashboard/credits/",
            "dashboard/credits/history/",
            "dashboard/credits/history/?text=nothing",
            "dashboard/credits/history/?since=never",
            f"dashboard/credits/history/{entry.sequence}/",
            "services/",
            "services/shout/",
            f"services/uses/{usage.pk}/",
            "dashboard/buy-credits/",
            "dashboard/buy-credits/cancelled/",
            f"dashboard/buy-credits/done/?session_id={paid.checkout_session_id}",
            f"dashboard/buy-credits/done/?session_id={pending.checkout_session_id}",
            "dashboard/plans/?interval=year",
            "pricing/",
            "dashboard/subscription/",
            f"dashboard/subscription/change/?price={pro.pk}",
            "dashboard/subscription/cancel/",
            "dashboard/billing/",
            "dashboard/billing/payment-method/",
            "dashboard/payments/",
            "dashboard/payments/?kind=not-a-kind",
            "dashboard/payments/?since=2999-01-01",
            f"dashboard/payments/{paid.pk}/",
            f"dashboard/payments/{paid.pk}/receipt/",
        ]


def test_pages_are_readable_and_accessible(
    live_server: Any, browser_page: Any, owner: Any, site: None, pages: list[str]
) -> None:
    page = browser_page()
    log_in(page, live_server, user_of(owner))
    for path in pages:
        response = page.goto(f"{live_server.url}/{path}")
        assert response.status == 200
        assert page.evaluate(UNREADABLE) == [], path
        assert_accessible(page)
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 900})
            assert_fits(page)
