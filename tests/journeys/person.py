"""What a person does on the site in a browser. Addresses identify pages, not their words."""

from __future__ import annotations

import re
from decimal import Decimal

from playwright.sync_api import Locator, Page, expect

from tests.browser import assert_accessible, assert_fits
from tests.journeys.site import Demo

PASSWORD = "a long enough password"
PACKAGE = 100
"""The credits of the package that is bought."""


class Person:
    """A person; with ``inspect``, each page they see must be accessible and fit the window."""

    def __init__(self, demo: Demo, page: Page, *, inspect: bool = False) -> None:
        self.demo = demo
        self.page = page
        self._inspect = inspect
        page.set_default_timeout(15_000)

    @property
    def main(self) -> Locator:
        return self.page.get_by_role("main")

    def is_at(self, path: str) -> None:
        """Check that the browser shows this page and that it is sound."""
        expect(self.page).to_have_url(re.compile(re.escape(self.demo.url + path)))
        expect(self.page.get_by_role("heading", level=1)).to_be_visible()
        self.inspects()

    def inspects(self) -> None:
        if self._inspect:
            assert_accessible(self.page)
            assert_fits(self.page)

    def opens(self, path: str) -> None:
        self.page.goto(self.demo.url + path)
        self.is_at(path)

    def submits(self) -> None:
        self.main.locator("form button:not([type=button])").click()

    # Accounts

    def signs_up(self, email: str) -> None:
        self.opens("/")
        self.main.locator("a[href='/accounts/signup/']").click()
        self.is_at("/accounts/signup/")
        self.page.locator("input[name=email]").fill(email)
        self.page.locator("input[name=password1]").fill(PASSWORD)
        self.submits()
        self.is_at("/accounts/confirm-email/")

    def confirms_the_address(self, email: str) -> None:
        self.page.locator("input[name=code]").fill(self.demo.code_in_mail_to(email))
        self.main.get_by_role("button", name="Confirm").click()
        self.is_at("/dashboard/")

    def signs_in(self, email: str, password: str = PASSWORD) -> None:
        self.opens("/accounts/login/")
        self.page.locator("input[name=login]").fill(email)
        self.page.locator("input[name=password]").fill(password)
        self.submits()
        self.is_at("/dashboard/")

    # Credits

    def balance(self) -> Decimal:
        self.opens("/dashboard/credits/")
        text = self.page.locator("#credit-balance .qs-stat").first.inner_text()
        return Decimal(text.replace(",", ""))

    def purchases(self) -> int:
        """Return how many entries on the first page of the history belong to the package."""
        self.opens("/dashboard/credits/history/")
        return self.page.locator("#credit-history tbody tr", has_text="Starter pack").count()

    def chooses_a_package(self) -> None:
        """Choose a package and wait for the hosted page."""
        self.opens("/dashboard/buy-credits/")
        self.main.get_by_role("button", name=f"{PACKAGE} credits").click()
        self.page.wait_for_url(f"{self.demo.sandbox}/**")
        expect(self.page.get_by_role("button")).to_be_visible()
        self.inspects()

    def pays(self) -> None:
        self.page.locator("input[name=name]").fill("A Person")
        self.page.get_by_role("button").click()

    def comes_back_as_a_buyer(self) -> None:
        self.is_at("/dashboard/buy-credits/done/")
        expect(self.main.locator("dl")).to_contain_text(str(PACKAGE))

    def uses_the_service(self, sentences: int) -> None:
        """Use the service, which costs 2 credits per 100 words; each sentence has 10 words."""
        self.opens("/services/summarise/")
        sentence = "A b c d e f g h i j. "
        self.page.locator("textarea[name=text]").fill(sentence * sentences)
        self.submits()
