"""No page makes many round trips to the database, whatever the customer has."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import resolve

from quickscale_credits.models import ServiceUsage
from quickscale_credits.services import create_missing_rows, register_temporarily
from quickscale_stripe.models import StripePrice, Subscription
from quickscale_stripe_sandbox import Sandbox
from tests.quickscale_credits.surface import Shout, Whisper
from tests.quickscale_stripe.conftest import buyer, owner, package, sandbox, shop
from tests.quickscale_stripe.shopping import open_checkout
from tests.quickscale_stripe.test_subscriptions import basic, pro, subscribed

__all__ = ["basic", "buyer", "owner", "package", "pro", "sandbox", "shop", "subscribed"]

pytestmark = pytest.mark.django_db

#: Those of the session and the user included.
MOST = 12
HOME = "/dashboard/"
SERVICE = "/services/shout/"
LINK = re.compile(r'<a\b[^>]*\bhref="([^"#]+)"')
#: Some of the pages that the links must lead to.
PAGES = {
    "account_change_password",
    "account_email",
    "quickscale_accounts:overview",
    "quickscale_credits:balance",
    "quickscale_credits:history",
    "quickscale_credits:transaction",
    "quickscale_credits:usage",
    "quickscale_credits_services:list",
    "quickscale_credits_services:usage",
    "quickscale_credits_services:use",
    "quickscale_dashboard:dashboard",
    "quickscale_dashboard_public:contact",
    "quickscale_stripe:billing",
    "quickscale_stripe:buy_credits",
    "quickscale_stripe:cancel",
    "quickscale_stripe:change_plan",
    "quickscale_stripe:payment",
    "quickscale_stripe:payment_method",
    "quickscale_stripe:payments",
    "quickscale_stripe:plans",
    "quickscale_stripe:receipt",
    "quickscale_stripe:subscription",
    "quickscale_stripe_public:pricing",
}


@pytest.fixture
def customer(shop: Sandbox, owner: Any, buyer: Client, package: StripePrice) -> Iterator[Client]:
    """A client of someone who has bought a package and used a service."""
    shop.pay(open_checkout(owner, package))
    shop.deliver()
    with register_temporarily(Shout, Whisper):
        create_missing_rows()
        key = buyer.get(SERVICE).context["key"]["key"].value()
        buyer.post(SERVICE, {"text": "hey", "key": key})
        yield buyer


def queries_of_pages(client: Client, *starts: str) -> dict[str, int]:
    """Follow the links to every page, and return how many queries each takes, by its view."""
    found: dict[str, int] = {}
    links = [*starts]
    for link in links:
        name = resolve(urlsplit(link).path).view_name
        if name in found:
            continue
        with CaptureQueriesContext(connection) as queries:
            page = client.get(link)
        found[name] = len(queries)
        if "text/html" in page["Content-Type"] and not page.streaming:
            hrefs = map(unescape, LINK.findall(page.text))
            links += [urljoin(link, href) for href in hrefs if not urlsplit(href).netloc]
    return found


def test_every_page_takes_few_queries(
    customer: Client, subscribed: Subscription, pro: StripePrice
) -> None:
    change = f"/dashboard/subscription/change/?price={pro.pk}"
    result = f"/services/uses/{ServiceUsage.objects.get().pk}/"

    queries = queries_of_pages(customer, HOME, change, result)

    assert set(queries) >= PAGES
    assert {name: count for name, count in queries.items() if count > MOST} == {}


def test_the_home_takes_no_more_without_a_plan(
    customer: Client, django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(MOST):
        customer.get(HOME)
