"""A real Chromium for tests, and the rules that every page must satisfy in it.

Take the fixture ``browser_page``, a factory, and mark the test ``browser``::

    pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

    def test_home(live_server, browser_page):
        page = browser_page(width=390, dark=True)
        page.goto(live_server.url)
        assert_accessible(page)

A console error, an uncaught exception or a Content-Security-Policy violation on any page that the
factory made fails the test. Without a Chromium the tests are skipped with a line that says so, and
with ``QUICKSCALE_REQUIRE_BROWSER=1`` they fail.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from pytest_django.live_server_helper import LiveServer

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
AXE = Path(__file__).parent / "assets" / "axe.min.js"
AXE_ONCE = f"if (!window.axe) {{{AXE.read_text(encoding='utf-8')}}}"
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]

# The listener starts before the page's own scripts and writes to the console.
REPORT_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) => {
  console.error(`CSP: ${event.violatedDirective} blocks ${event.blockedURI}`, event.sourceFile);
});
"""


def find_chromium() -> str:
    """Return the path of a Chromium; without one, skip the test, or fail if one is required."""
    for name in BROWSERS:
        if path := shutil.which(name):
            return path
    reason = f"No Chromium on PATH (looked for {', '.join(BROWSERS)})."
    if os.environ.get("QUICKSCALE_REQUIRE_BROWSER") == "1":
        pytest.fail(f"{reason} QUICKSCALE_REQUIRE_BROWSER=1 demands one.")
    pytest.skip(f"Browser test left out. {reason}")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser for the tests of a file, after which its event loop must end in this thread."""
    path = find_chromium()
    with pytest.MonkeyPatch.context() as environment, sync_playwright() as playwright:
        # Playwright's loop makes Django believe that this thread is asynchronous.
        environment.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=path, args=flags)
        yield browser
        browser.close()


class BrowserPages:
    """Makes pages, each with its own cookies and storage, and keeps their ``problems``."""

    def __init__(self, chromium: Browser) -> None:
        self.problems: list[str] = []
        self._chromium = chromium
        self._contexts: list[BrowserContext] = []

    def __call__(
        self,
        *,
        width: int = 1280,
        height: int = 900,
        dark: bool = False,
        javascript: bool = True,
        allow: Sequence[str] = (),
        **options: Any,
    ) -> Page:
        """Open a page in a window of this size, in pixels.

        ``allow`` lists texts; a line of the console that contains one of them is allowed, such
        as the browser's message about the status 404. ``options`` go to Playwright.
        """
        context = self._chromium.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            java_script_enabled=javascript,
            **options,
        )
        self._contexts.append(context)
        context.add_init_script(REPORT_VIOLATIONS)

        def report(page: Page | None, text: str) -> None:
            if not any(expected in text for expected in allow):
                self.problems.append(f"{page.url if page else ''}: {text}")

        context.on(
            "console",
            lambda line: report(line.page, line.text) if line.type == "error" else None,
        )
        context.on("weberror", lambda error: report(error.page, f"uncaught {error.error}"))
        return context.new_page()

    def close(self) -> None:
        for context in self._contexts:
            context.close()


@pytest.fixture
def browser_page(chromium: Browser) -> Iterator[BrowserPages]:
    pages = BrowserPages(chromium)
    yield pages
    pages.close()
    assert not pages.problems, "The browser complains:\n" + "\n".join(pages.problems)


def log_in(page: Page, live_server: LiveServer, user: Any) -> None:
    """Give the page a session of this user, without a form."""
    client = Client()
    client.force_login(user)
    value = client.cookies["sessionid"].value
    page.context.add_cookies([{"name": "sessionid", "value": value, "url": live_server.url}])


def assert_accessible(page: Page, rules: Sequence[str] = ()) -> None:
    """Run axe over the page, once its style sheets are in: these rules, or WCAG 2.1 A and AA."""
    page.wait_for_load_state()
    page.evaluate(AXE_ONCE)
    chosen = {"type": "rule", "values": rules} if rules else {"type": "tag", "values": WCAG}
    result = page.evaluate(
        "runOnly => axe.run(document, {runOnly, resultTypes: ['violations']})", chosen
    )
    lines = []
    for violation in result["violations"]:
        lines.append(f"{violation['id']} ({violation['impact']}): {violation['help']}")
        for node in violation["nodes"]:
            lines += [f"    {node['html']}", f"      {node['failureSummary']}"]
    assert not lines, f"{page.url} fails WCAG 2.1 AA:\n" + "\n".join(lines)


def assert_shown_whole(page: Page) -> None:
    """Check that no text or control in the page's content is cut off or needs scrolling."""
    cut = page.evaluate(
        """() => {
          const parts = document.querySelectorAll("main :is(td, th, bdi, a, button, input)");
          return [...parts].filter((element) => {
            const box = element.getBoundingClientRect();
            const around = element.closest(".table-container, .tabs, .box, main");
            const { left, right } = around.getBoundingClientRect();
            const hidden = element.closest("thead") || !box.width;
            const narrow = element.type === "date" && box.width < 136;
            return narrow || (!hidden && (box.right > right + 1 || box.left < left - 1));
          }).map((element) => element.outerHTML.slice(0, 120));
        }"""
    )
    assert not cut, f"{page.url} cuts off:\n" + "\n".join(cut)


def assert_fits(page: Page) -> None:
    """Check that the page is not wider than the window."""
    page.wait_for_load_state()
    extra = page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    assert extra <= 0, f"{page.url} is {extra} pixels wider than the window."
