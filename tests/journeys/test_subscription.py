"""A plan from the choice to the cancellation, its payments, and their receipts."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect
from pypdf import PdfReader

from tests.journeys.person import Person

pytestmark = pytest.mark.browser

PLANS = "/dashboard/plans/"
SUBSCRIPTION = "/dashboard/subscription/"
PAYMENTS = "/dashboard/payments/"


class Subscriber(Person):
    def posts(self, action: str) -> None:
        """Press the button of the form with this address."""
        self.main.locator(f"form[action='{action}'] button").first.click()

    def subscribes(self, plan: str) -> None:
        self.opens(PLANS)
        self.main.get_by_role("listitem").filter(
            has=self.page.get_by_role("heading", name=plan)
        ).get_by_role("button").click()
        self.page.wait_for_url(f"{self.demo.sandbox}/**")
        self.pays()
        self.is_at("/dashboard/buy-credits/done/")

    def changes_to(self, plan: str) -> None:
        """Choose another plan, up to the page that asks for confirmation."""
        self.opens(PLANS)
        self.main.get_by_role("listitem").filter(
            has=self.page.get_by_role("heading", name=plan)
        ).get_by_role("button").click()
        self.is_at(f"{SUBSCRIPTION}change/")

    def confirms(self) -> None:
        self.posts(f"{SUBSCRIPTION}change/")
        self.is_at(SUBSCRIPTION)


@pytest.mark.parametrize(
    ("width", "dark", "javascript"),
    [(390, True, True), (1280, False, False)],
    ids=["phone in the dark", "desktop without JavaScript"],
)
def test_a_plan_is_taken_changed_both_ways_cancelled_and_kept(
    demo, browser_page, width, dark, javascript
):
    email = f"subscriber-{width}-{'with' if javascript else 'without'}@example.com"
    page = browser_page(width=width, dark=dark, javascript=javascript)
    person = Subscriber(demo, page, inspect=dark)
    person.signs_up(email)
    person.confirms_the_address(email)

    person.opens(PLANS)
    person.main.locator("a[href='?interval=year']").click()
    expect(page).to_have_url(re.compile(r"interval=year"))
    expect(person.main.locator("a[aria-current=true]")).to_have_attribute("href", "?interval=year")
    person.inspects()

    person.subscribes("Basic plan")
    expect(person.main.locator("dl")).to_contain_text("300")
    assert person.balance() == 300

    person.changes_to("Pro plan")
    expect(person.main).to_contain_text("1,000 credits each month")
    person.confirms()
    expect(person.main.locator("dl")).to_contain_text("Pro plan")
    balance = person.balance()
    assert balance > 900

    person.changes_to("Basic plan")
    person.confirms()
    expect(person.main.locator("dl")).to_contain_text("Basic plan")
    person.posts(f"{SUBSCRIPTION}keep-plan/")
    person.is_at(SUBSCRIPTION)
    expect(person.main.locator("dl")).not_to_contain_text("Basic plan")
    assert person.balance() == balance

    person.opens("/dashboard/billing/")
    expect(person.main).to_contain_text("4242")
    cancel = person.main.locator(f"a[href='{SUBSCRIPTION}cancel/']")
    cancel.click()
    person.is_at(f"{SUBSCRIPTION}cancel/")
    expect(person.main).to_contain_text("credits left")
    person.main.locator("select[name=feedback]").select_option("unused")
    person.posts(f"{SUBSCRIPTION}cancel/")
    person.is_at(SUBSCRIPTION)
    person.posts(f"{SUBSCRIPTION}reactivate/")
    person.is_at(SUBSCRIPTION)
    expect(cancel).to_be_visible()

    person.opens(PAYMENTS)
    rows = person.main.locator("#payments tbody tr")
    expect(rows).to_have_count(2)
    person.main.locator("select[name=kind]").select_option("plan_change")
    if not javascript:
        person.submits()
    expect(page).to_have_url(re.compile("kind=plan_change"))
    expect(rows).to_have_count(1)
    person.inspects()
    rows.locator(f"a[href^='{PAYMENTS}']").first.click()
    person.is_at(PAYMENTS)

    person.main.locator("a[href$='/receipt/']").click()
    expect(page).to_have_url(re.compile(r"/receipt/$"))
    person.inspects()
    number = page.get_by_role("heading", level=1).inner_text()
    with page.expect_download() as download:
        person.main.locator("a[href$='/receipt.pdf']").click()
    content = Path(download.value.path()).read_bytes()
    text = PdfReader(io.BytesIO(content)).pages[0].extract_text()
    assert number in text
    assert email in text
