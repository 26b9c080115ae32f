from __future__ import annotations

import re
import uuid
from typing import Any

import pytest
from django.test import Client

from quickscale_stripe.models import Payment, StripePrice, Subscription
from quickscale_stripe.sandbox import Sandbox
from tests.quickscale_stripe.shopping import balance
from tests.quickscale_stripe.test_pages import text_of
from tests.quickscale_stripe.test_subscriptions import basic, open_signup, pro, subscribed

__all__ = ["basic", "pro", "subscribed"]

pytestmark = pytest.mark.django_db

PLANS = "/dashboard/plans/"
SUBSCRIPTION = "/dashboard/subscription/"
CHANGE = "/dashboard/subscription/change/"


def test_plans_monthly_and_yearly(shop: Sandbox, buyer: Client) -> None:
    monthly = text_of(buyer.get(PLANS))
    for fact in ("Basic plan", "$19.00 each month", "300 credits", "$49.00 each month"):
        assert fact in monthly
    assert "save up to 1" in monthly

    yearly = text_of(buyer.get(PLANS, {"interval": "year"}))
    assert "$190.00 each year" in yearly
    assert "Save 17%" in yearly
    assert "$19.00 each month" not in yearly


def test_subscribing_from_the_page(
    shop: Sandbox, buyer: Client, owner: Any, basic: StripePrice
) -> None:
    response = buyer.post(
        "/dashboard/plans/subscribe/", {"price": basic.pk, "reference": uuid.uuid4()}
    )
    session = re.search(r"cs_\w+", response["Location"])
    assert session
    back = shop.pay(session[0])
    assert "Credits added 300" in text_of(buyer.get(back.url))
    assert balance(owner) == 300

    page = text_of(buyer.get(SUBSCRIPTION))
    for fact in ("Basic plan", "Active", "Next billing date"):
        assert fact in page
    assert "Your plan" in text_of(buyer.get(PLANS))


def test_without_a_subscription(sandbox: Sandbox, buyer: Client) -> None:
    assert "You have no subscription" in text_of(buyer.get(SUBSCRIPTION))


def test_a_subscriber_is_sent_to_the_subscription(
    shop: Sandbox, buyer: Client, subscribed: Subscription, pro: StripePrice
) -> None:
    response = buyer.post(
        "/dashboard/plans/subscribe/", {"price": pro.pk, "reference": uuid.uuid4()}, follow=True
    )
    assert "Change its plan here" in text_of(response)
    assert Subscription.objects.count() == 1


def test_an_upgrade_is_shown_and_then_made(
    shop: Sandbox, buyer: Client, subscribed: Subscription, pro: StripePrice
) -> None:
    page = buyer.get(CHANGE, {"price": pro.pk})
    assert "To pay now $30.00" in text_of(page)
    assert "At once" in text_of(page)
    moment = re.search(r'name="proration_date" value="(\d+)"', page.text)
    assert moment

    done = buyer.post(CHANGE, {"price": pro.pk, "proration_date": moment[1]}, follow=True)

    assert "Your plan is changed" in text_of(done)
    assert "Pro plan" in text_of(done)
    assert Payment.objects.get(kind="plan_change").amount == 3000


def test_a_declined_upgrade_says_that_the_plan_stays(
    shop: Sandbox, buyer: Client, owner: Any, basic: StripePrice, pro: StripePrice
) -> None:
    shop.pay(open_signup(owner, basic), "renewal_declined")
    shop.deliver()
    page = buyer.get(CHANGE, {"price": pro.pk})
    moment = re.search(r'name="proration_date" value="(\d+)"', page.text)
    assert moment
    done = buyer.post(CHANGE, {"price": pro.pk, "proration_date": moment[1]}, follow=True)
    assert "you keep your plan" in text_of(done)


@pytest.mark.parametrize("data", [{}, {"price": "0"}, {"price": "x", "proration_date": "y"}])
def test_a_change_to_nothing_leads_to_the_plans(
    shop: Sandbox, buyer: Client, subscribed: Subscription, data: dict[str, str]
) -> None:
    assert buyer.get(CHANGE, data).url == PLANS
    assert buyer.post(CHANGE, data).url == PLANS


def test_cancel_and_keep(shop: Sandbox, buyer: Client, subscribed: Subscription) -> None:
    page = text_of(buyer.post(f"{SUBSCRIPTION}cancel/", follow=True))
    assert "ends with the current period" in page
    assert "Ends on" in page
    assert "Keep the subscription" in page

    page = text_of(buyer.post(f"{SUBSCRIPTION}reactivate/", follow=True))
    assert "Your subscription goes on" in page
    assert "Next billing date" in page


@pytest.mark.parametrize("status", Subscription.Status.values)
def test_every_status_is_told_in_words(
    shop: Sandbox, buyer: Client, subscribed: Subscription, status: str
) -> None:
    Subscription.objects.update(status=status, trial_end=subscribed.current_period_end)
    subscribed.refresh_from_db()
    page = text_of(buyer.get(SUBSCRIPTION))
    if subscribed.is_live:
        assert subscribed.get_status_display() in page
    else:
        assert "You have no subscription" in page


def test_the_billing_portal(shop: Sandbox, buyer: Client, subscribed: Subscription) -> None:
    response = buyer.post("/dashboard/billing/")
    assert response.status_code == 302
    assert response["Location"].startswith("http")
