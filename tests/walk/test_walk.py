"""Every page of the site in a browser: by axe, by keyboard, narrow, zoomed, printed, and without
JavaScript. Its console must stay empty, also of violations of the policy.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections
from django.test import Client, override_settings
from playwright.sync_api import Browser

from tests.addresses import without_arguments
from tests.browser import assert_accessible
from tests.quickscale_stripe.shopping import SECRET
from tests.walk.pages import Visitors, broken, broken_by_keyboard
from tests.walk.site import Site, running_site

pytestmark = [pytest.mark.browser, pytest.mark.django_db]

DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 320, "height": 700}
ZOOMED = {"width": 320, "height": 256}  # 1280 by 1024 at 400 %
PAPER = {"width": 718, "height": 1047}  # A4 with margins of 1 cm

WITH_ARGUMENTS = [
    "/accounts/password/reset/key/{user}-set-password/",
    "/dashboard/buy-credits/done/?session_id={paid}",
    "/dashboard/buy-credits/done/?session_id={pending}",
    "/dashboard/credits/history/?text=nothing",
    "/dashboard/credits/history/{entry}/",
    "/dashboard/payments/?since=2999-01-01",
    "/dashboard/payments/{payment}/",
    "/dashboard/payments/{payment}/receipt/",
    "/dashboard/plans/?interval=year",
    "/dashboard/subscription/change/?price={plan}",
    "/no-such-page/",
    "/services/shout/",
    "/services/uses/{usage}/",
]

#: Addresses that show no page, and why.
WITHOUT_A_PAGE = {
    "the admin has Django's own pages": ["/admin/"],
    "a step of a sign-in that has not begun": [
        "/accounts/2fa/authenticate/",
        "/accounts/3rdparty/signup/",
        "/accounts/confirm-email/",
        "/accounts/dummy/",
        "/accounts/login/code/confirm/",
        "/accounts/reauthenticate/code/confirm/",
    ],
    "only for those who have an app for codes": [
        "/accounts/2fa/recovery-codes/",
        "/accounts/2fa/totp/deactivate/",
    ],
    "leads to another page": [
        "/accounts/2fa/reauthenticate/",
        "/accounts/password/set/",
        "/dashboard/billing/add/",
        "/dashboard/billing/portal/",
        "/dashboard/buy-credits/checkout/",
        "/dashboard/credits/usage/chart/",
        "/dashboard/credits/usage/meters/",
        "/dashboard/credits/usage/summary/",
        "/dashboard/plans/subscribe/",
        "/dashboard/subscription/keep-plan/",
        "/dashboard/subscription/reactivate/",
    ],
    "needs an argument, and is above with one": [
        "/dashboard/buy-credits/done/",
        "/dashboard/subscription/change/",
    ],
    "is no HTML": [
        "/dashboard/credits/history/export/",
        "/dashboard/credits/usage/export/",
        "/dashboard/subscription/change/amount/",
        "/favicon.ico",
        "/healthz",
        "/readyz",
        "/robots.txt",
        "/sitemap.xml",
        "/stripe/webhook/",
    ],
}

EXCEPTIONS = tuple(path for paths in WITHOUT_A_PAGE.values() for path in paths)
PAGES = sorted(
    {*WITH_ARGUMENTS, *(path for path in without_arguments() if not path.startswith(EXCEPTIONS))}
)


@pytest.fixture(scope="module")
def site(chromium: Browser, django_db_setup: None, django_db_blocker: Any) -> Iterator[Site]:
    """The site for all tests; its connections are those of the event loop of ``chromium``."""
    with django_db_blocker.unblock(), override_settings(QUICKSCALE_STRIPE_WEBHOOK_SECRET=SECRET):
        try:
            with running_site() as site:
                yield site
        finally:
            call_command("flush", verbosity=0, interactive=False)
            connections.close_all()


@pytest.fixture(scope="module")
def visitors(site: Site, chromium: Browser) -> Iterator[Visitors]:
    visitors = Visitors(site, chromium, javascript=True)
    yield visitors
    visitors.pages.close()


@pytest.fixture(scope="module")
def visitors_without_javascript(site: Site, chromium: Browser) -> Iterator[Visitors]:
    visitors = Visitors(site, chromium, javascript=False)
    yield visitors
    visitors.pages.close()


@pytest.mark.parametrize("path", PAGES)
def test_a_page_serves_everyone(visitors: Visitors, path: str) -> None:
    page = visitors.visit(path)
    assert_accessible(page)
    page.emulate_media(color_scheme="dark")
    page.evaluate("walk('settle')")
    assert_accessible(page, rules=["color-contrast"])
    problems = broken_by_keyboard(page)
    page.set_viewport_size(PHONE)
    problems += broken(page, "wide", "cut", where="at 320 px")
    page.set_viewport_size(ZOOMED)
    problems += broken(page, "wide", "bars", "covered", where="at 400 %")
    page.set_viewport_size(PAPER)
    page.emulate_media(media="print")
    problems += broken(page, "wide", "cut", "paper", where="printed")
    page.emulate_media(media="screen", color_scheme="light")
    page.set_viewport_size(DESKTOP)
    assert problems + visitors.pages.problems == []


@pytest.mark.parametrize("path", PAGES)
def test_a_page_works_without_javascript(visitors_without_javascript: Visitors, path: str) -> None:
    page = visitors_without_javascript.visit(path)
    assert (
        broken(page, "without", where="without JavaScript")
        + visitors_without_javascript.pages.problems
        == []
    )


@pytest.mark.parametrize("path", sorted(set(without_arguments()) - set(PAGES)))
def test_an_exception_shows_no_page(site: Site, client: Client, path: str) -> None:
    client.force_login(site.customer)
    for visitor in (client, Client()):
        response = visitor.get(path)
        shows = response.status_code == 200 and response["Content-Type"].startswith("text/html")
        assert not shows, "It shows a page, which the walk must see."
