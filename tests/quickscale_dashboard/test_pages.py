from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest
from django.templatetags.static import static
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from quickscale_credits.models import Service
from quickscale_credits.services import BaseService, register_temporarily
from tests.markup import flat, problems_of_page, words

pytestmark = pytest.mark.django_db

PUBLIC = ["/", "/about/", "/contact/"]


class Shout(BaseService):
    code = "shout"
    name = "Shout"


@pytest.fixture
def services() -> Iterator[None]:
    Service.objects.all().delete()
    for code, name in (("shout", "Shout"), ("gone", "No such code")):
        service = Service.objects.create(slug=code, name=name, unit="page")
        service.prices.create(unit_price=Decimal("2.5"))
    with register_temporarily(Shout):
        yield


def title(html: str) -> str:
    inside = flat(html).partition("<title>")[2].partition("</title>")[0]
    return inside.strip()


@pytest.mark.parametrize("path", PUBLIC)
def test_public_pages_are_sound_html_without_anything_inline(client: Client, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 200
    assert problems_of_page(response.text) == []


@pytest.mark.parametrize(("path", "queries"), [("/", 2), ("/about/", 0), ("/contact/", 0)])
def test_public_pages_need_no_query_but_for_the_services(
    client: Client,
    path: str,
    queries: int,
    services: None,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    with django_assert_num_queries(queries):
        client.get(path)


def test_the_home_page_shows_the_services_that_the_site_has(client: Client, services: None) -> None:
    text = words(flat(client.get("/").text))
    assert "<dt>Shout</dt><dd>2.5 credits for each page </dd>" in text
    assert "No such code" not in text


def test_without_services_the_home_page_invents_none(client: Client) -> None:
    Service.objects.all().delete()
    text = client.get("/").text
    assert "qs-statement" not in text
    assert problems_of_page(text) == []


@pytest.mark.parametrize("path", PUBLIC)
def test_pages_load_everything_from_the_site_itself(client: Client, path: str) -> None:
    response = client.get(path)
    policy = response["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert "//" not in " ".join(
        part for part in response.text.split('"') if part.endswith((".js", ".css", ".svg"))
    )


def test_htmx_is_told_to_evaluate_and_style_nothing(client: Client) -> None:
    text = client.get("/").text
    assert '"includeIndicatorStyles": false' in text
    assert '"allowEval": false' in text


def test_the_brand_is_in_title_bar_and_footer(client: Client, settings: Settings) -> None:
    settings.QUICKSCALE_BRAND_NAME = "Parrot & Sons"
    text = client.get("/about/").text
    assert title(text) == "About · Parrot &amp; Sons"
    assert "<span>Parrot &amp; Sons</span>" in text
    assert title(client.get("/").text) == "Parrot &amp; Sons"


def test_a_logo_replaces_the_mark(client: Client, settings: Settings) -> None:
    assert "qs-mark" in client.get("/").text
    settings.QUICKSCALE_DASHBOARD_LOGO = "parrot.svg"
    text = flat(client.get("/").text)
    assert "qs-mark" not in text
    assert '<img src="/static/parrot.svg" alt=""' in text
    assert '<link rel="icon" href="/static/parrot.svg">' in text


def test_the_dashboard_is_for_those_who_are_logged_in(client: Client, customer: Client) -> None:
    assert client.get("/dashboard/").status_code == 302
    response = customer.get("/dashboard/")
    assert response.status_code == 200
    assert problems_of_page(response.text) == []


def test_the_home_page_leads_customers_to_their_dashboard(client: Client, customer: Client) -> None:
    assert "Open your dashboard" not in client.get("/").text
    assert "Open your dashboard" in customer.get("/").text


def test_the_page_declares_its_language(client: Client, settings: Settings) -> None:
    settings.LANGUAGE_CODE = "ar"
    assert '<html lang="ar" dir="rtl">' in client.get("/").text


def test_a_page_without_an_icon_of_its_own_gets_the_sites(
    client: Client, settings: Settings
) -> None:
    """Browsers request this address on the admin's pages, and mail programs for links."""
    mark = client.get("/favicon.ico")
    assert (mark.status_code, mark["Location"]) == (302, static("quickscale_dashboard/mark.svg"))
    settings.QUICKSCALE_DASHBOARD_LOGO = "parrot.svg"
    assert client.get("/favicon.ico")["Location"] == "/static/parrot.svg"


def test_no_script_evaluates_code_in_development(client: Client, settings: Settings) -> None:
    settings.DEBUG = True
    text = client.get("/").text
    assert text.count("django_htmx/htmx") == 1
    assert "django-htmx.js" not in text
