"""The public page with the prices."""

from __future__ import annotations

import re
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from quickscale_stripe.models import StripePrice, Subscription
from quickscale_stripe_sandbox import Sandbox
from quickscale_stripe_sandbox.recording import Recorded
from tests.quickscale_stripe.conftest import Unreachable, UseClient
from tests.quickscale_stripe.test_pages import text_of
from tests.quickscale_stripe.test_subscriptions import basic, pro, subscribed

__all__ = ["basic", "pro", "subscribed"]

pytestmark = pytest.mark.django_db

PRICING = "/pricing/"


def next_of(page: Any, label: str) -> str:
    """Return where the sign-up behind a button leads afterwards."""
    link = re.search(rf'<a [^>]*href="([^"]+)"[^>]*>(?:<span>)?\s*(?:<bdi>)?{label}', page.text)
    assert link
    [target] = parse_qs(urlsplit(unescape(link[1])).query)["next"]
    return target


def test_a_visitor_sees_plans_and_packages(shop: Sandbox, client: Client) -> None:
    page = client.get(PRICING)
    for fact in (
        "Basic plan $19 /month 300 credits each month $0.0633 a credit",
        "Pro plan Most chosen $49 /month",
        "Priority support",
        "Starter pack $9 100 credits",
        "Save 28%",
    ):
        assert fact in text_of(page)
    yearly = text_of(client.get(PRICING, {"interval": "year"}))
    assert "Billed $490 yearly, 2 months free" in yearly
    assert "Starter pack" in yearly


def test_the_page_asks_stripe_nothing_and_sets_no_cookie(
    shop: Sandbox,
    client: Client,
    recorded: list[Recorded],
    django_assert_max_num_queries: Any,
) -> None:
    with django_assert_max_num_queries(3):
        page = client.get(PRICING)
    assert recorded == []
    assert not page.cookies
    assert "<form" not in page.text.partition("<main")[2].partition("</main>")[0]


def test_visitors_find_it_on_the_first_page_and_in_the_sitemap(
    shop: Sandbox, client: Client
) -> None:
    assert f'href="{PRICING}"' in client.get("/").text
    assert PRICING in client.get("/sitemap.xml").text


def test_it_is_shown_while_stripe_is_down(
    shop: Sandbox, client: Client, use_client: UseClient
) -> None:
    use_client(Unreachable())
    assert "Pro plan" in text_of(client.get(PRICING))


def test_a_button_leads_through_the_sign_up_to_the_purchase(
    shop: Sandbox, client: Client, buyer: Client, basic: StripePrice, package: StripePrice
) -> None:
    page = client.get(PRICING)
    plan = next_of(page, r"Subscribe for (?:<bdi>)?\$19\.00")
    assert plan == f"/dashboard/plans/?price={basic.pk}"
    pack = next_of(page, r"Buy (?:<bdi>)?100 credits")
    assert pack == f"/dashboard/buy-credits/?price={package.pk}"

    inside = buyer.get(plan)
    assert "Basic plan Your choice" in text_of(inside)
    assert 'action="/dashboard/plans/subscribe/"' in inside.text
    assert "Starter pack Your choice" in text_of(buyer.get(pack))


def nobody(**facts: Any) -> bool:
    return False


def test_a_button_leads_to_the_sign_in_where_nobody_may_sign_up(
    shop: Sandbox, client: Client, settings: Any
) -> None:
    settings.QUICKSCALE_ACCOUNTS_SIGNUP_ALLOWED = nobody
    page = client.get(PRICING).text.partition("<main")[2]
    assert "/accounts/signup/" not in page
    assert "/accounts/login/?next=" in page


def test_a_customer_has_the_buttons_of_the_dashboard(
    shop: Sandbox, buyer: Client, subscribed: Subscription, django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(8):
        page = buyer.get(PRICING)
    assert "Your plan" in text_of(page)
    assert "Upgrade" in text_of(page)
    assert 'action="/dashboard/buy-credits/checkout/"' in page.text
    assert "signup" not in page.text.partition("<main")[2]


def test_a_customer_sees_the_currency_of_the_subscription(
    shop: Sandbox, client: Client, buyer: Client, subscribed: Subscription
) -> None:
    StripePrice.objects.filter(product__name="Starter pack").update(currency="eur")
    assert "Starter pack" in text_of(client.get(PRICING))
    assert "Starter pack" not in text_of(buyer.get(PRICING))


def test_the_other_interval_is_swapped_in(shop: Sandbox, client: Client) -> None:
    fragment = client.get(PRICING, {"interval": "year"}, headers={"HX-Request": "true"})
    assert "<html" not in fragment.text
    assert "$190 yearly" in text_of(fragment)
    assert "HX-Request" in fragment["Vary"]


def test_without_prices_or_payments_it_says_so(
    shop: Sandbox, client: Client, settings: Any
) -> None:
    StripePrice.objects.filter(interval="").update(active=False)
    assert "Or buy credits" not in text_of(client.get(PRICING))
    settings.QUICKSCALE_STRIPE_ENABLED = False
    assert "Nothing is for sale" in text_of(client.get(PRICING))
    settings.QUICKSCALE_STRIPE_ENABLED = True
    StripePrice.objects.update(active=False)
    assert "Nothing is for sale" in text_of(client.get(PRICING))


@pytest.mark.urls("tests.projects.mounted_urls")
def test_a_site_of_several_projects_leads_to_the_sign_up_and_home(
    shop: Sandbox, client: Client, buyer: Client, settings: Any
) -> None:
    """The page can't know in which project the visitor will buy."""
    settings.LOGIN_REDIRECT_URL = "/welcome/"
    page = client.get(PRICING)
    assert 'href="/accounts/signup/"' in page.text.partition("<main")[2]
    assert "/plans/" not in page.text
    assert 'href="/welcome/"' in buyer.get(PRICING).text.partition("<main")[2]
