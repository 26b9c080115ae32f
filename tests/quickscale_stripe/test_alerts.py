from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.test import Client, RequestFactory
from django.utils import timezone

from quickscale.alerts import Alert
from quickscale.formats import format_day
from quickscale_stripe.alerts import current_alert
from quickscale_stripe.models import Payment, StripeCustomer, StripePrice, Subscription
from quickscale_stripe_sandbox import Sandbox
from tests.markup import words
from tests.owners import make_owner, user_of
from tests.quickscale_stripe.conftest import Unreachable, UseClient
from tests.quickscale_stripe.shopping import open_checkout
from tests.quickscale_stripe.test_subscriptions import basic, pro, subscribed

__all__ = ["basic", "pro", "subscribed"]

pytestmark = pytest.mark.django_db

INVOICE = "https://invoice.stripe.com/i/1"


@pytest.fixture
def alert(rf: RequestFactory, owner: Any) -> Any:
    """A function that returns the owner's alert."""
    request = rf.get("/dashboard/")
    request.user = user_of(owner)
    return lambda: current_alert(request)


def text_of(alert: Alert | None) -> str:
    assert alert
    return (
        words(f"{alert.title} {alert.text} {alert.label}")
        .replace("<bdi>", "")
        .replace("</bdi>", "")
    )


def unpaid(subscription: Subscription, **facts: Any) -> Payment:
    return Payment.objects.create(
        **{
            "owner": subscription.owner, "subscription": subscription, "kind": "subscription",
            "status": "failed", "description": "Basic plan", "total": 1900, "amount": 1900,
            "currency": "usd", "created_at": timezone.now(), "invoice_url": INVOICE,
        } | facts
    )  # fmt: skip


def test_nothing_to_say(shop: Sandbox, subscribed: Subscription, alert: Any) -> None:
    assert alert() is None


def test_visitors_have_none(rf: RequestFactory) -> None:
    request = rf.get("/")
    request.user = AnonymousUser()
    assert current_alert(request) is None


def test_the_most_important_comes_first(
    shop: Sandbox,
    owner: Any,
    package: StripePrice,
    subscribed: Subscription,
    alert: Any,
    django_assert_max_num_queries: Any,
) -> None:
    renews = subscribed.current_period_end
    assert renews
    Subscription.objects.update(cancel_at=renews)
    assert "Basic plan ends on" in text_of(alert())
    assert alert().tone == "info"

    Subscription.objects.update(cancel_at=None)
    before = timezone.localtime(renews) - timedelta(days=40)
    card = {"type": "card", "name": "visa", "last4": "4242", "expires": [before.year, before.month]}
    StripeCustomer.objects.update(payment_method=card)
    assert "Your card" in text_of(alert())
    assert "Update the card" in text_of(alert())
    assert alert().url == "/dashboard/billing/payment-method/"

    shop.pay(open_checkout(owner, package), "bank_success")
    shop.deliver()
    pending = Payment.objects.get(status="pending")
    assert "Your payment of $9.00 is being confirmed." in text_of(alert())
    assert alert().url == f"/dashboard/payments/{pending.pk}/"

    unpaid(subscribed, kind="plan_change", description="Pro plan", amount=3000)
    assert "You keep your plan until $30.00 for Pro plan is paid." in text_of(alert())

    tries = timezone.now() + timedelta(days=3)
    unpaid(subscribed, next_attempt_at=tries)
    Subscription.objects.update(status="past_due")
    with django_assert_max_num_queries(2):
        found = alert()
    told = f"$19.00 for Basic plan could not be charged. We try again on {format_day(tries)}."
    assert told in text_of(found)
    assert "Pay $19.00" in text_of(found)
    assert (found.tone, found.url, found.is_external) == ("danger", INVOICE, True)


@pytest.mark.parametrize("status", ["past_due", "unpaid"])
def test_without_another_attempt_it_is_to_be_paid(
    shop: Sandbox, subscribed: Subscription, alert: Any, status: str
) -> None:
    Subscription.objects.update(status=status)
    assert "update your payment method" in text_of(alert())
    unpaid(subscribed)
    assert "Pay it to keep your plan." in text_of(alert())


def test_a_first_payment_that_is_not_complete(
    shop: Sandbox, subscribed: Subscription, alert: Any
) -> None:
    Subscription.objects.update(status="incomplete")
    unpaid(subscribed, status="pending")
    assert "Basic plan starts when $19.00 is paid. Pay $19.00" in text_of(alert())


def test_a_plan_change_that_stripe_has_dropped_is_not_due(
    shop: Sandbox, subscribed: Subscription, alert: Any
) -> None:
    yesterday = timezone.now() - timedelta(days=1)
    unpaid(subscribed, kind="plan_change", created_at=yesterday)
    assert alert() is None


def test_a_card_that_is_not_needed_again_may_expire(
    shop: Sandbox, subscribed: Subscription, alert: Any
) -> None:
    card = {"type": "card", "name": "visa", "last4": "4242", "expires": [2020, 1]}
    StripeCustomer.objects.update(payment_method=card)
    assert "Your card has expired. Basic plan is charged to Visa •••• 4242 on" in text_of(alert())
    Subscription.objects.update(status="canceled")
    assert alert() is None


def test_payments_of_others_say_nothing(
    shop: Sandbox, subscribed: Subscription, rf: RequestFactory
) -> None:
    Subscription.objects.update(status="past_due")
    request = rf.get("/")
    request.user = user_of(make_owner("eve@example.com"))
    assert current_alert(request) is None


def test_it_asks_stripe_nothing_and_is_on_the_billing_page(
    shop: Sandbox, subscribed: Subscription, buyer: Client, use_client: UseClient
) -> None:
    Subscription.objects.update(status="past_due")
    unpaid(subscribed)
    use_client(Unreachable())
    page = buyer.get("/dashboard/billing/")
    assert "Your last payment failed." in page.text
    assert f'href="{INVOICE}"' in page.text


def test_the_home_shows_the_plan_and_the_alert(
    shop: Sandbox, buyer: Client, subscribed: Subscription
) -> None:
    page = buyer.get("/dashboard/").text
    assert "Manage plan" in page
    assert "could not be charged" not in page
    subscribed.status = "past_due"
    subscribed.save()
    unpaid(subscribed)
    page = buyer.get("/dashboard/").text
    assert "Your last payment failed." in page
    assert f'href="{INVOICE}"' in page


def owner_of_request(*, request: HttpRequest) -> object:
    owner_of_request.calls += 1  # type: ignore[attr-defined]
    return request.user if request.user.is_authenticated else None


def test_the_parts_of_a_page_ask_once_for_the_owner(buyer: Client, settings: Any) -> None:
    settings.QUICKSCALE_GET_OWNER = f"{__name__}.owner_of_request"
    owner_of_request.calls = 0  # type: ignore[attr-defined]
    assert buyer.get("/dashboard/").status_code == 200
    assert owner_of_request.calls == 1  # type: ignore[attr-defined]
