"""Stripe is down, slow, busy or has another key. Pages say so, and nothing is granted."""

from __future__ import annotations

import json
import socket
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
import stripe
from django.test import Client
from django.utils import timezone

from quickscale_credits.models import CreditLot
from quickscale_stripe.models import Payment, StripeEvent, StripePrice, StripeProduct, Subscription
from quickscale_stripe_sandbox import Sandbox
from tests.quickscale_stripe.conftest import UseClient
from tests.quickscale_stripe.shopping import open_checkout, open_signup
from tests.quickscale_stripe.test_webhooks import post as post_event

pytestmark = pytest.mark.django_db


def no_connection() -> Any:
    raise stripe.APIConnectionError("refused")


def no_answer_in_time() -> Any:
    raise stripe.APIConnectionError("read timed out", should_retry=True)


def answer(status: int, kind: str, message: str) -> Callable[[], Any]:
    body = json.dumps({"error": {"type": kind, "message": message}})
    return lambda: (body, status, {})


FAULTS = {
    "down": no_connection,
    "slow": no_answer_in_time,
    "busy": answer(429, "invalid_request_error", "Too many requests"),
    "broken": answer(500, "api_error", "Sorry"),
    "another key": answer(401, "invalid_request_error", "Invalid API Key provided"),
    "a key that may not": answer(403, "invalid_request_error", "The key may not do that"),
}


class FaultyClient(stripe.HTTPClient):
    name = "faulty"

    def __init__(self, answer: Callable[[], Any]) -> None:
        super().__init__()
        self.answer = answer

    def request(self, *args: Any, **kwargs: Any) -> Any:
        return self.answer()


@pytest.fixture(params=FAULTS)
def fault(request: pytest.FixtureRequest, use_client: UseClient) -> Callable[[], None]:
    """A function that makes every later request fail."""
    return lambda: use_client(FaultyClient(FAULTS[request.param]))


def facts() -> list[Any]:
    """Return everything that must not change without money."""
    return [
        list(model.objects.order_by("pk").values_list(*fields))  # type: ignore[attr-defined]
        for model, fields in (
            (Payment, ("status", "credits", "amount")),
            (Subscription, ("status", "price", "cancel_at", "pending_price")),
            (CreditLot, ("credit_type", "amount", "remaining")),
        )
    ]


def test_every_page(
    shop: Sandbox, owner: Any, buyer: Client, package: StripePrice, fault: Callable[[], None]
) -> None:
    basic = StripePrice.objects.get(product__name="Basic plan", interval="month")
    pro = StripePrice.objects.get(product__name="Pro plan", interval="month")
    shop.pay(open_signup(owner, basic))
    shop.deliver()
    unfinished = open_checkout(owner, package)
    shop.pay(unfinished)
    payment, before = Payment.objects.get(), facts()
    change = buyer.get("/dashboard/subscription/change/", {"price": pro.pk}).context["preview"]
    fault()

    own = ["buy-credits/", "plans/", "subscription/", "subscription/cancel/", "billing/",
           "billing/payment-method/", "payments/",
           f"payments/{payment.pk}/", f"payments/{payment.pk}/receipt/"]  # fmt: skip
    for path in own:
        assert buyer.get(f"/dashboard/{path}").status_code == 200, path
    done = buyer.get("/dashboard/buy-credits/done/", {"session_id": unfinished})
    assert done.status_code == 200
    assert "being confirmed" in done.text

    form = {"price": pro.pk, "reference": uuid.uuid4(), "token": change.token}
    asking = [
        buyer.get("/dashboard/subscription/change/", {"price": pro.pk}),
        buyer.post("/dashboard/buy-credits/checkout/", form | {"price": package.pk}),
        *(
            buyer.post(f"/dashboard/{path}", form)
            for path in ("plans/subscribe/", "subscription/change/", "subscription/cancel/",
                         "subscription/reactivate/", "billing/portal/", "billing/add/")
        ),
    ]  # fmt: skip
    assert {page.status_code for page in asking} == {503}
    for page in asking:
        assert "<h1" in page.text
        assert "Traceback" not in page.text
    assert facts() == before


def test_events_wait(
    shop: Sandbox, owner: Any, package: StripePrice, fault: Callable[[], None]
) -> None:
    shop.pay(open_checkout(owner, package))
    [event] = shop.events("checkout.session.completed")
    fault()
    assert post_event(event).status_code == 500
    assert StripeEvent.objects.get().status == "failed"
    assert facts() == [[], [], []]


def test_a_request_without_an_answer_is_tried_again_and_given_up(
    buyer: Client, settings: Any
) -> None:
    """The connection is real, to include time-outs and retries."""
    now = timezone.now()
    product = StripeProduct.objects.create(stripe_id="prod_1", name="Pack", synced_at=now)
    package = StripePrice.objects.create(
        stripe_id="price_1", product=product, currency="usd", unit_amount=900, credits=100,
        for_sale=True, synced_at=now,
    )  # fmt: skip
    with socket.create_server(("127.0.0.1", 0), backlog=16) as server:
        settings.QUICKSCALE_STRIPE_SECRET_KEY = "sk_test_nobody"
        settings.QUICKSCALE_STRIPE_API_BASE = f"http://127.0.0.1:{server.getsockname()[1]}"
        settings.QUICKSCALE_STRIPE_READ_TIMEOUT = 0.2
        settings.QUICKSCALE_STRIPE_MAX_NETWORK_RETRIES = 1
        began = time.monotonic()
        page = buyer.post(
            "/dashboard/buy-credits/checkout/", {"price": package.pk, "reference": uuid.uuid4()}
        )
        assert page.status_code == 503
        assert time.monotonic() - began < 20
        server.settimeout(0.1)
        heads = []
        while len(heads) < 16:
            try:
                connection, _ = server.accept()
            except TimeoutError:
                break
            with connection:
                heads.append(connection.recv(65536).decode())
    assert len(heads) == 2
    keys = {line for head in heads for line in head.splitlines() if "Idempotency-Key" in line}
    assert len(keys) == 1
