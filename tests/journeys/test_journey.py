"""The main job from end to end: ``quickscale demo``, its site, and the sandbox over HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Route, expect

from quickscale_cli.demo import LOGINS
from tests.journeys.person import PACKAGE, Person
from tests.journeys.site import Demo

pytestmark = pytest.mark.browser

CUSTOMER = next(iter(LOGINS))
# The browser's own message about the status 402, which means too few credits.
EXPECTED = ("402",)


@pytest.fixture
def webhooks(demo: Demo) -> Iterator[Demo]:
    """The demo; afterwards its webhooks are sent as usual again."""
    yield demo
    demo.control("delivery", when="after", copies=1)


@pytest.mark.parametrize(
    ("width", "dark", "javascript"),
    [(1280, False, True), (390, True, True), (1280, False, False)],
    ids=["desktop", "phone in the dark", "without JavaScript"],
)
def test_from_sign_up_to_the_result(demo, browser_page, width, dark, javascript):
    email = f"person-{width}-{'with' if javascript else 'without'}@example.com"
    page = browser_page(width=width, dark=dark, javascript=javascript, allow=EXPECTED)
    person = Person(demo, page, inspect=dark)

    person.signs_up(email)
    person.confirms_the_address(email)
    assert person.balance() == 0

    person.chooses_a_package()
    person.pays()
    person.comes_back_as_a_buyer()
    assert person.balance() == PACKAGE
    assert person.purchases() == 1
    person.opens("/dashboard/")
    expect(person.main).to_contain_text("Starter pack")

    person.uses_the_service(sentences=10)
    expect(person.main).to_contain_text(f"{PACKAGE - 2} credits")
    person.inspects()
    assert person.balance() == PACKAGE - 2

    person.uses_the_service(sentences=500)
    offer = person.main.get_by_role("alert")
    expect(offer.locator("a[href='/dashboard/buy-credits/']")).to_be_visible()
    expect(offer).to_contain_text(f"{PACKAGE} credits, $9.00")
    person.inspects()

    offer.get_by_role("button").click()
    person.pays()
    person.comes_back_as_a_buyer()
    person.main.locator("a[href='/services/summarise/']").click()
    person.is_at("/services/summarise/")
    assert page.locator("textarea[name=text]").input_value().count("A b c") == 500
    person.submits()
    expect(person.main.locator("dl")).to_contain_text(f"{PACKAGE - 2} credits")
    assert person.balance() == PACKAGE - 2
    person.opens("/services/summarise/")
    expect(page.locator("textarea[name=text]")).to_have_value("")


@pytest.mark.parametrize(
    "delivery",
    [
        {"when": "first"},
        {"when": "after"},
        {"when": "first", "copies": 2},
        {"when": "after", "copies": 2},
    ],
    ids=["before the redirect", "after it", "twice before it", "twice after it"],
)
def test_a_purchase_is_credited_once_for_any_delivery_of_the_webhook(
    webhooks, browser_page, delivery
):
    webhooks.control("delivery", **delivery)
    person = Person(webhooks, browser_page())
    person.signs_in(CUSTOMER, LOGINS[CUSTOMER])
    balance, purchases = person.balance(), person.purchases()

    person.chooses_a_package()
    person.pays()
    person.comes_back_as_a_buyer()
    webhooks.wait_for_deliveries()

    assert person.balance() == balance + PACKAGE
    assert person.purchases() == purchases + 1


def test_a_purchase_is_credited_once_by_the_success_page_and_a_late_webhook(webhooks, browser_page):
    webhooks.control("delivery", when="hold")
    person = Person(webhooks, browser_page())
    person.signs_in(CUSTOMER, LOGINS[CUSTOMER])
    balance, purchases = person.balance(), person.purchases()

    person.chooses_a_package()
    person.pays()
    person.comes_back_as_a_buyer()
    assert any(row["state"] == "held" for row in webhooks.deliveries())
    assert person.balance() == balance + PACKAGE

    webhooks.control("release")
    webhooks.wait_for_deliveries()
    assert person.balance() == balance + PACKAGE
    assert person.purchases() == purchases + 1


def test_a_purchase_is_credited_when_the_buyer_never_comes_back(webhooks, browser_page):
    page = browser_page(allow=("net::ERR_FAILED",))
    person = Person(webhooks, page)
    person.signs_in(CUSTOMER, LOGINS[CUSTOMER])
    balance, purchases = person.balance(), person.purchases()

    person.chooses_a_package()

    def close_when_paid(route: Route) -> None:
        route.fetch(max_redirects=0)
        route.abort()

    page.route(f"{webhooks.sandbox}/c/pay/**", close_when_paid)
    with page.expect_event("requestfailed"):
        person.pays()
    webhooks.wait_for_deliveries()

    assert person.balance() == balance + PACKAGE
    assert person.purchases() == purchases + 1
