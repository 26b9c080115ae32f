"""The purchase that is offered to an owner who has too few credits, and the way back from it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth import get_user
from django.test import Client, RequestFactory

from quickscale import drafts
from quickscale_credits.shop import Purchase
from quickscale_stripe.contrib.credits import find_purchase
from quickscale_stripe.models import StripePrice
from quickscale_stripe_sandbox import Sandbox
from tests.markup import words
from tests.quickscale_stripe.shopping import open_checkout
from tests.quickscale_stripe.test_subscriptions import basic, pro, subscribed

__all__ = ["basic", "pro", "subscribed"]

pytestmark = pytest.mark.django_db

DONE = "/dashboard/buy-credits/done/"
CANCELLED = "/dashboard/buy-credits/cancelled/"


def found(owner: Any, needed: Any) -> Purchase | None:
    request = RequestFactory().get("/")
    return find_purchase(request=request, owner=owner, needed=Decimal(needed))


def facts(purchase: Purchase | None) -> Any:
    return purchase and (purchase.name, purchase.credits, purchase.price, purchase.label)


def test_the_cheapest_package_that_is_enough(shop: Sandbox, owner: Any) -> None:
    for needed in ("0.5", "100"):
        assert facts(found(owner, needed)) == (
            "Starter pack",
            100,
            "$9.00",
            "Buy 100 credits for $9.00",
        )
    more = found(owner, "100.0001")
    assert more
    assert more.credits > 100
    assert found(owner, "1000000") is None


def test_packages_are_compared_in_one_currency(
    shop: Sandbox, owner: Any, package: StripePrice
) -> None:
    other = StripePrice.objects.get(pk=package.pk)
    other.pk, other.stripe_id, other.currency, other.unit_amount = None, "price_yen", "jpy", 500
    other.display_order = package.display_order + 1
    other.save()

    assert facts(found(owner, 50))[2] == "$9.00"


def test_without_a_package_a_plan_is_offered_to_those_who_have_none(
    shop: Sandbox, owner: Any, basic: StripePrice
) -> None:
    StripePrice.objects.filter(interval="").update(active=False)

    offer = found(owner, basic.credits)

    assert facts(offer) == (
        "Basic plan",
        basic.credits,
        "$19.00 a month",
        "Subscribe for $19.00 a month",
    )
    assert offer
    assert offer.url == "/dashboard/plans/subscribe/"
    assert offer.fields["price"] == str(basic.pk)


def test_a_plan_in_monthly_parts_counts_its_first_part(
    shop: Sandbox, owner: Any, basic: StripePrice
) -> None:
    StripePrice.objects.exclude(pk=basic.pk).update(active=False)
    StripePrice.objects.filter(pk=basic.pk).update(
        interval="year", credits=1200, credits_interval="month"
    )

    assert found(owner, 101) is None
    assert facts(found(owner, 100))[1] == 100


def test_a_subscriber_is_offered_no_other_plan(shop: Sandbox, owner: Any, subscribed: Any) -> None:
    StripePrice.objects.filter(interval="").update(active=False)

    assert found(owner, 1) is None


def test_the_offer_can_be_bought(shop: Sandbox, owner: Any, buyer: Client) -> None:
    offer = found(owner, 50)
    assert offer

    response = buyer.post(offer.url, offer.fields)

    assert "cs_" in response["Location"]


def keep_a_draft(buyer: Client) -> None:
    request = RequestFactory().get("/services/summarise/")
    request.session = buyer.session
    request.user = get_user(request)
    drafts.keep(request, title="Summarise <a> text", values={"text": ["hello"]})
    request.session.save()


@pytest.mark.parametrize("outcome", ["card", "bank_success"])
def test_the_result_leads_back_to_what_was_typed(
    shop: Sandbox, buyer: Client, owner: Any, package: StripePrice, outcome: str
) -> None:
    session = open_checkout(owner, package)
    shop.pay(session, outcome)
    url = f"{DONE}?session_id={session}"
    assert "Back to" not in buyer.get(url).text

    keep_a_draft(buyer)

    for headers in ({}, {"HX-Request": "true"}):
        page = words(buyer.get(url, headers=headers).text)
        assert 'href="/services/summarise/"' in page
        assert "Back to Summarise &lt;a&gt; text" in page
        assert "What you typed there is kept." in page
        assert ("being confirmed" in page) == (outcome == "bank_success")


def test_who_pays_nothing_gets_back_too(shop: Sandbox, buyer: Client) -> None:
    keep_a_draft(buyer)

    page = words(buyer.get(CANCELLED).text)

    assert 'href="/services/summarise/"' in page
