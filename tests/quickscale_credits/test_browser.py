"""The pages in a real browser: accessible, within the window, swapped in place, without scripts."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.apps import apps
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect

from quickscale_credits.models import Service, ServiceUsage
from quickscale_credits.pricing import set_price
from quickscale_credits.services import BaseService, register_temporarily
from quickscale_credits.testing import ServiceFactory
from tests.browser import assert_accessible, assert_fits, assert_shown_whole, log_in
from tests.quickscale_credits.surface import ApiCall

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        not apps.is_installed("quickscale_dashboard"), reason="pages need a style to look at"
    ),
]


class Chat(BaseService):
    code = "chat"
    name = "Chat"


TOO_FEW = "status of 402"
INVALID = "status of 422"


@pytest.fixture
def live(live_server, member):
    """Opens a URL of the site in a page, logged in as the owner."""

    def visit(page: Page, name: str, *args: object) -> Page:
        log_in(page, live_server, member)
        page.goto(live_server.url + reverse(name, args=args))
        return page

    return visit


@pytest.fixture
def filled(account, services):
    end = timezone.now() + timedelta(days=9)
    account.add_credits(40, "Starter plan", credit_type="subscription", expires_at=end)
    account.add_credits(
        10,
        "A gift with a rather long description, as people write them",
        credit_type="bonus",
        expires_at=end + timedelta(days=9),
    )
    account.add_credits(1000, "Bought")
    for number in range(30):
        account.consume_credits(1, f"Use {number}", service=services["shout"])
    entry = account.transactions.latest("sequence")
    ServiceUsage.objects.create(
        service=services["shout"], account=account, transaction=entry, cost=1,
        metadata={"result": "HEY"},
    )  # fmt: skip
    ServiceFactory(
        name="API call", slug="api-call", cost="0.5", description="Metered.", unit="call"
    )
    chat = ServiceFactory(name="Chat", slug="chat", cost="0.01", unit="image")
    for meter, price in [("input tokens", "3"), ("cached input tokens", "0.3")]:
        set_price(chat, price, meter=meter, per=1_000_000)
    set_price(chat, "0.15", meter="input tokens", per=1_000_000, dimension="small")
    with register_temporarily(ApiCall, Chat):
        yield account


def test_empty_pages_are_accessible(browser_page, live, account):
    Service.objects.all().delete()
    page = browser_page(width=390, dark=True)
    for name in ("balance", "history", "usage"):
        assert_accessible(live(page, f"quickscale_credits:{name}"))
    assert_accessible(live(page, "quickscale_credits_services:list"))


def test_the_price_follows_what_is_typed(browser_page, live, account, services):
    account.add_credits(10, "Bought")
    page = live(browser_page(), "quickscale_credits_services:use", "shout")
    quote = page.locator("#service-quote")
    expect(quote).to_have_text("Fill in the form to see what it costs.")
    assert_accessible(page)

    page.get_by_label("Text").fill("hey")
    expect(quote).to_contain_text("This takes 6 credits. 4 left afterwards.")
    page.get_by_label("Text").fill("hello you")
    expect(quote).to_contain_text("This takes 18 credits. You are 8 credits short.")

    button = page.get_by_role("button", name="Shout it")
    expect(button).to_have_accessible_description(re.compile("This takes 18 credits"))
    assert account.get_available_balance() == 10


def test_a_use_shows_its_result_in_place(browser_page, live, account, services):
    account.add_credits(10, "Bought")
    page = live(browser_page(), "quickscale_credits_services:use", "shout")
    address = page.url

    page.get_by_label("Text").fill("hey")
    page.get_by_role("button", name="Shout it").click()

    result = page.get_by_role("region", name="Result")
    expect(result).to_contain_text("HEY")
    expect(result).to_contain_text("4 credits")
    expect(page.get_by_role("heading", name="Result")).to_be_focused()
    assert page.url == address
    assert_accessible(page)


def test_the_result_can_be_copied(browser_page, live, account, services):
    account.add_credits(10, "Bought")
    page = browser_page(permissions=["clipboard-read", "clipboard-write"])
    live(page, "quickscale_credits_services:use", "shout")
    page.get_by_label("Text").fill("hey")
    page.get_by_role("button", name="Shout it").click()

    result = page.get_by_role("region", name="Result")
    result.get_by_role("button", name="Copy").click()

    expect(result.get_by_role("status")).to_have_text("Copied.")
    assert page.evaluate("navigator.clipboard.readText()") == "HEY"
    expect(page.get_by_label("Text")).to_have_value("hey")


def test_without_a_clipboard_no_button_offers_to_copy(browser_page, live, account, services):
    usage = ServiceUsage.objects.create(
        service=services["shout"], account=account, cost=0, metadata={"result": "HEY"}
    )
    for page in (browser_page(), browser_page(javascript=False)):
        page.add_init_script("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
        live(page, "quickscale_credits_services:usage", usage.pk)
        expect(page.get_by_text("HEY")).to_be_visible()
        expect(page.get_by_text("Copy", exact=True)).to_be_hidden()


def test_too_few_credits_keep_the_text_and_offer_to_buy(
    browser_page, live, account, services, settings
):
    settings.QUICKSCALE_CREDITS_BUY_URL = "/shop/"
    page = live(browser_page(allow=[TOO_FEW]), "quickscale_credits_services:use", "shout")

    page.get_by_label("Text").fill("hey")
    page.get_by_role("button", name="Shout it").click()

    notice = page.get_by_role("alert").filter(has_text="You don't have enough credits.")
    expect(notice).to_be_focused()
    expect(notice.get_by_role("link", name="Buy credits")).to_have_attribute("href", "/shop/")
    expect(page.get_by_label("Text")).to_have_value("hey")
    assert_accessible(page)


def test_a_refusal_is_shown_in_place(browser_page, live, account, services):
    account.add_credits(10, "Bought")
    page = live(browser_page(allow=[INVALID]), "quickscale_credits_services:use", "shout")

    page.get_by_label("Text").fill("no")
    page.get_by_role("button", name="Shout it").click()

    expect(page.get_by_role("alert").filter(has_text="I don't shout that.")).to_be_focused()
    assert_accessible(page)


def test_the_history_is_filtered_and_paged_in_place(browser_page, live, filled):
    page = live(browser_page(), "quickscale_credits:history")
    entries = page.get_by_role("region", name="Entries").first

    page.get_by_role("link", name="Added").click()
    expect(page.locator("#credit-history tbody tr:not(.qs-day-row)")).to_have_count(3)
    assert page.url.endswith("?show=added")
    page.get_by_role("link", name="All", exact=True).click()
    expect(page.locator("#credit-history tbody tr:not(.qs-day-row)")).to_have_count(25)

    page.get_by_role("link", name="Next page").click()
    expect(page.get_by_role("link", name="Previous page")).to_be_visible()
    expect(entries).to_contain_text("Starter plan")
    assert "after=" in page.url

    page.get_by_text("More filters").click()
    page.get_by_label("Kind", exact=True).select_option("grant")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.locator("#credit-history tbody tr:not(.qs-day-row)")).to_have_count(3)
    assert "kind=grant" in page.url

    page.go_back()
    expect(page.get_by_role("link", name="Previous page")).to_be_visible()


def test_the_keyboard_stays_where_the_page_changed(browser_page, live, filled):
    page = live(browser_page(), "quickscale_credits:history")
    status = page.locator("#announcement")

    page.get_by_role("link", name="Next page").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#credit-history")).to_be_focused()
    expect(status).to_have_text("8 entries")

    page.get_by_text("More filters").click()
    page.get_by_label("Kind", exact=True).select_option("grant")
    page.get_by_role("button", name="Show").press("Enter")
    expect(status).to_have_text("3 entries")
    expect(page.get_by_role("button", name="Show")).to_be_focused()
    expect(page.locator("[aria-live]:not(#announcement)")).to_have_count(0)


def test_what_is_wrong_takes_the_focus(browser_page, live, account, services):
    page = live(browser_page(allow=[INVALID]), "quickscale_credits_services:use", "shout")

    page.locator("form[hx-post]").evaluate("form => { form.noValidate = true; }")
    page.get_by_role("button", name="Shout it").press("Enter")

    expect(page.get_by_label("Text")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Text")).to_be_focused()


def test_work_is_announced_when_it_starts_and_not_before(browser_page, live, account, services):
    account.add_credits(10, "Bought")
    page = live(browser_page(), "quickscale_credits_services:use", "shout")
    page.evaluate("""() => {
      window.told = [];
      const region = document.getElementById("announcement");
      new MutationObserver(() => told.push(region.textContent)).observe(region, {childList: true});
    }""")

    page.get_by_label("Text").fill("hey")
    held = []
    page.route("**/shout/", lambda route: held.append(route))
    page.get_by_role("button", name="Shout it").click()
    expect(page.locator("#announcement")).to_have_text("Working…")
    held[0].continue_()

    expect(page.get_by_role("region", name="Result")).to_be_visible()
    assert page.evaluate("told") == ["Working…", ""]


def test_tables_show_everything_on_a_phone(browser_page, live, filled):
    page = browser_page(width=320)
    for name, *arguments in [
        ("quickscale_credits:balance",),
        ("quickscale_credits:history",),
        ("quickscale_credits:usage",),
        ("quickscale_credits:transaction", 4),
    ]:
        live(page, name, *arguments)
        assert_shown_whole(page)
        assert_accessible(page)


def test_the_range_of_the_usage_is_swapped_in_place(browser_page, live, filled):
    page = live(browser_page(), "quickscale_credits:usage")

    page.get_by_role("link", name="7 days").click()
    expect(page.get_by_role("link", name="7 days")).to_have_attribute("aria-current", "true")
    assert page.url.endswith("?days=7")

    page.get_by_role("link", name="Shout").click()
    expect(page.get_by_text("Only uses of Shout are counted.")).to_be_visible()
    assert page.url.endswith("?days=7&service=shout")

    page.get_by_label("Service", exact=True).select_option("")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.get_by_text("Only uses of Shout are counted.")).to_have_count(0)
    assert "service" not in page.url

    page.go_back()
    expect(page.get_by_text("Only uses of Shout are counted.")).to_be_visible()


def test_sums_of_a_long_journal_are_loaded_after_the_page(browser_page, live, filled, settings):
    settings.QUICKSCALE_CREDITS_LONG_JOURNAL = 1
    page = live(browser_page(), "quickscale_dashboard:dashboard")
    expect(page.get_by_text("30 uses")).to_be_visible()
    expect(page.get_by_role("img", name="Credits used each day")).to_be_visible()
    page.get_by_role("link", name="7 days").click()
    expect(page.get_by_role("link", name="7 days")).to_have_attribute("aria-current", "true")
    assert page.url.endswith("/dashboard/")

    live(page, "quickscale_credits:usage")
    expect(page.get_by_role("region", name="By meter").first).to_contain_text("letter")

    page = live(browser_page(javascript=False), "quickscale_dashboard:dashboard")
    page.get_by_role("link", name="Show the chart").click()
    page.get_by_role("link", name="Show what was used of each meter").click()
    expect(page.get_by_role("region", name="By meter").first).to_contain_text("letter")


def test_right_to_left_columns_stand_under_their_heads(browser_page, live, filled, settings):
    settings.LANGUAGE_CODE = "ar"
    settings.LANGUAGES = [("ar", "Arabic")]
    page = live(browser_page(), "quickscale_credits:balance")

    sides = page.locator("#credit-balance tr").evaluate_all(
        "rows => rows.map(row => [...row.cells].map(cell => getComputedStyle(cell).textAlign))"
    )

    assert {tuple(row) for row in sides} == {("start", "end")}
    amount = page.locator("#credit-balance td bdi").last
    cell = page.locator("#credit-balance tr:last-child td").last
    assert amount.bounding_box()["x"] - cell.bounding_box()["x"] < 30
    assert_fits(page)


def test_the_balance_refreshes_after_a_use(browser_page, live, account):
    page = live(browser_page(), "quickscale_credits:balance")
    expect(page.locator("#credit-balance")).to_contain_text("0")
    account.add_credits(77, "Bought elsewhere")

    page.evaluate("document.body.dispatchEvent(new CustomEvent('balance-changed'))")

    expect(page.locator("#credit-balance")).to_contain_text("77")


def test_everything_works_without_javascript(browser_page, live, filled, services):
    page = browser_page(width=390, javascript=False, allow=[TOO_FEW])
    live(page, "quickscale_credits_services:use", "shout")
    expect(page.get_by_text("2 credits for each letter")).to_be_visible()
    page.get_by_label("Text").fill("hey")
    page.get_by_role("button", name="Shout it").click()
    assert "/uses/" in page.url
    expect(page.get_by_role("region", name="Result")).to_contain_text("HEY")

    live(page, "quickscale_credits:history")
    page.get_by_text("More filters").click()
    page.get_by_label("Kind", exact=True).select_option("grant")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.locator("#credit-history tbody tr:not(.qs-day-row)")).to_have_count(3)

    filled.remove_credits(filled.get_available_balance(), "Gone")
    live(page, "quickscale_credits_services:use", "shout")
    page.get_by_label("Text").fill("hey")
    page.get_by_role("button", name="Shout it").click()
    expect(page.get_by_text("You don't have enough credits.")).to_be_visible()
    expect(page.get_by_label("Text")).to_have_value("hey")
