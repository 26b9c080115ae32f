"""The visitors who walk through the site, and what is wrong with the page that one of them sees."""

from __future__ import annotations

from pathlib import Path

from django.test import Client
from playwright.sync_api import Browser, Page

from tests.browser import BrowserPages
from tests.walk.site import Site

RULES = Path(__file__).with_name("rules.js").read_text(encoding="utf-8")
#: The browser's own messages about a status.
ALLOWED = ["status of 401", "status of 404"]


class Visitors:
    """A visitor who has not signed in and a customer who has, each with one page."""

    def __init__(self, site: Site, chromium: Browser, *, javascript: bool) -> None:
        self.site = site
        self.pages = BrowserPages(chromium)
        options = {"javascript": javascript, "reduced_motion": "reduce", "allow": ALLOWED}
        self.nobody, self.customer = self.pages(**options), self.pages(**options)
        self.nobody.goto(site.server.url + site.objects["reset"])
        self.customer.goto(f"{site.server.url}/accounts/login/")
        self.customer.get_by_label("Email").fill(site.customer.email)
        self.customer.get_by_label("Password", exact=True).fill("password")
        self.customer.locator("main").get_by_role("button", name="Sign in").click()
        self.customer.wait_for_url("**/dashboard/")
        self.customer.goto(f"{site.server.url}/accounts/reauthenticate/?next=/users/")
        self.customer.get_by_label("Password", exact=True).fill("password")
        self.customer.keyboard.press("Enter")
        self.customer.wait_for_url(f"{site.server.url}/users/")

    def visit(self, path: str) -> Page:
        """Show the page to a visitor who may see it."""
        path = path.format_map(self.site.objects)
        private = Client().get(path).status_code == 302
        page = self.customer if private else self.nobody
        self.pages.problems.clear()
        response = page.goto(self.site.server.url + path)
        assert response
        assert not response.request.redirected_from, f"It leads to {page.url}."
        page.evaluate(RULES)
        return page


def broken(page: Page, *rules: str, where: str) -> list[str]:
    problems: list[str] = page.evaluate("rules => walk('settle', ...rules)", rules)
    return [f"{where}: {problem}" for problem in problems]


def broken_by_keyboard(page: Page) -> list[str]:
    for _press in range(page.evaluate("walk('start')")[0]):
        page.keyboard.press("Tab")
    problems = broken(page, "end", where="by keyboard")
    page.locator(".qs-skip-link").focus()
    page.keyboard.press("Enter")
    leads = page.evaluate("document.activeElement.id === 'main'")
    return problems if leads else [*problems, "The skip link does not lead to the content."]
