"""What search engines, previews of links, phones and browsers read of a public page."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from django.test import Client
from pytest_django import Settings

from quickscale_dashboard.registry import NavItem, everyone, logged_in, only
from tests.markup import flat

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.urls("tests.quickscale_dashboard.urls"),
]

HOST = "http://testserver"


def metas(client: Client, path: str) -> dict[str, str]:
    """Return the page's meta elements by name or property; the icons and links, by relation."""
    text = flat(client.get(path).text)
    found = dict(re.findall(r'<meta (?:name|property)="([^"]+)" content="([^"]*)"', text))
    return found | dict(re.findall(r'<link rel="([\w-]+)" href="([^"]+)"', text))


def test_a_public_page_describes_itself(client: Client, settings: Settings) -> None:
    settings.QUICKSCALE_BRAND = {"name": 'The "Parrot" & Sons', "icon": "parrot.png"}
    found = metas(client, "/about/?next=/evil/")
    name = "The &quot;Parrot&quot; &amp; Sons"
    assert found["canonical"] == found["og:url"] == f"{HOST}/about/"
    assert found["og:title"] == f"About · {name}"
    assert found["og:site_name"] == name
    assert found["description"].startswith(f"{name} sells its services by credits")
    assert found["og:description"] == found["description"]
    assert found["og:image"] == f"{HOST}/static/parrot.png"
    assert found["apple-touch-icon"] == "/static/parrot.png"
    assert found["twitter:card"] == "summary"
    assert "robots" not in found


def test_a_page_can_have_its_own_title_and_image(client: Client) -> None:
    found = metas(client, "/page/")
    assert found["og:title"] == "Probe of QuickScale · QuickScale"
    assert found["og:image"] == f"{HOST}/static/card.png"
    assert found["twitter:card"] == "summary_large_image"


def test_only_the_site_knows_the_canonical_address_of_its_own_pages(client: Client) -> None:
    found = metas(client, "/page/?page=2")
    assert "canonical" not in found
    assert "og:url" not in found


def test_search_engines_leave_out_the_pages_of_a_person(client: Client, customer: Client) -> None:
    assert "robots" not in metas(client, "/")
    found = metas(customer, "/dashboard/")
    assert found["robots"] == "noindex"
    assert "og:title" not in found


def test_the_browser_takes_the_brands_colour(client: Client, settings: Settings) -> None:
    settings.QUICKSCALE_BRAND = {"color": "#ffd400"}
    text = flat(client.get("/").text)
    assert 'media="(prefers-color-scheme: light)" content="#ffd400"' in text
    assert 'media="(prefers-color-scheme: dark)"' in text


def test_robots_may_read_all_and_find_the_sitemap(client: Client) -> None:
    response = client.get("/robots.txt")
    assert response["Content-Type"] == "text/plain"
    assert response.text == f"User-agent: *\nDisallow:\n\nSitemap: {HOST}/sitemap.xml\n"


def test_the_sitemap_has_the_pages_that_everyone_may_see(client: Client) -> None:
    items = [
        NavItem("About", "quickscale_dashboard_public:about", access=everyone),
        NavItem("A page", "page", access=everyone),
        NavItem("Missing", "no-such-page", access=everyone),
        NavItem("Mine", "page-below", access=logged_in),
    ]
    with only(*items):
        response = client.get("/sitemap.xml")
    assert response["Content-Type"] == "application/xml"
    root = ElementTree.fromstring(response.content)
    assert [url.text for url in root.iter("{http://www.sitemaps.org/schemas/sitemap/0.9}loc")] == [
        f"{HOST}{path}" for path in ("/", "/about/", "/contact/", "/page/")
    ]
