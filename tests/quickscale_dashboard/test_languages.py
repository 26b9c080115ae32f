"""People choose the language of the site where it offers several."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AbstractBaseUser
from django.test import Client
from django.urls import include, path
from playwright.sync_api import expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from quickscale import project
from tests.browser import BrowserPages, assert_accessible, assert_fits, log_in
from tests.markup import flat, problems_of_page
from tests.quickscale_dashboard import urls

pytestmark = pytest.mark.django_db

URL = "/language/"
OWN_NAMES = {"de": "Deutsch", "en": "English", "es": "Español", "fr": "Français", "ar": "العربيّة"}


class WithChoice:
    urlpatterns = [path("language/", include("quickscale.urls_language")), *urls.urlpatterns]


@pytest.fixture
def languages(settings: Settings) -> None:
    """A site that offers all languages of the package."""
    settings.ROOT_URLCONF = WithChoice
    settings.LANGUAGES = project.languages()
    others = [name for name in settings.MIDDLEWARE if name not in project.OPTIONAL_MIDDLEWARE]
    place = others.index("django.contrib.sessions.middleware.SessionMiddleware") + 1
    settings.MIDDLEWARE = [*others[:place], *project.OPTIONAL_MIDDLEWARE, *others[place:]]


@pytest.mark.usefixtures("languages")
class TestMenu:
    def test_it_has_each_language_by_its_own_name_and_marks_the_one_of_the_page(
        self, client: Client, customer: Client
    ) -> None:
        for visitor in (client, customer):
            page = visitor.get("/login/?next=/page/", headers={"Accept-Language": "fr"}).text
            assert problems_of_page(page) == []
            assert 'action="/language/?next=/login/%3Fnext%3D/page/"' in page
            for code, name in OWN_NAMES.items():
                current = ' aria-current="true"' if code == "fr" else ""
                button = (
                    f'<button class="qs-link" name="language" value="{code}" lang="{code}"'
                    f"{current}> <span>{name}</span>"
                )
                assert button in flat(page)

    def test_the_choice_is_kept_and_wins_over_the_browser(self, client: Client) -> None:
        answer = client.post(f"{URL}?next=/about/", {"language": "ar"})
        assert answer["Location"] == "/about/"
        page = client.get("/about/", headers={"Accept-Language": "de"}).text
        assert '<html lang="ar" dir="rtl">' in page

    def test_it_sets_no_cookie_before_somebody_chooses(self, client: Client) -> None:
        answer = client.get("/about/", headers={"Accept-Language": "de"})
        assert '<html lang="de">' in answer.text
        assert not answer.cookies
        assert {"Accept-Language", "Cookie"} <= set(answer["Vary"].split(", "))

    def test_a_choice_needs_no_token_and_leads_to_no_other_site(self) -> None:
        client = Client(enforce_csrf_checks=True)
        answer = client.post(f"{URL}?next=https://example.org/", {"language": "es"})
        assert answer["Location"] == "/"
        assert answer.cookies["django_language"].value == "es"

    def test_an_unknown_language_changes_nothing(self, client: Client) -> None:
        assert "django_language" not in client.post(URL, {"language": "xx"}).cookies

    def test_an_error_page_has_the_direction_of_its_language(self, client: Client) -> None:
        client.post(URL, {"language": "ar"})
        for address in ("/suspicious/", "/no-such-page/"):
            assert '<html lang="ar" dir="rtl">' in client.get(address).text

    def test_a_language_that_django_does_not_know_has_the_name_that_the_site_gave_it(
        self, client: Client, settings: Settings
    ) -> None:
        settings.LANGUAGES = [("en", "English"), ("tlh", "tlhIngan Hol")]
        assert 'lang="tlh"> <span>tlhIngan Hol</span>' in flat(client.get("/about/").text)

    def test_there_is_none_for_a_single_language(self, client: Client, settings: Settings) -> None:
        settings.LANGUAGES = [("en", "English")]
        assert 'name="language"' not in client.get("/about/").text


@pytest.mark.usefixtures("languages")
def test_there_is_no_menu_where_the_url_is_missing(client: Client, settings: Settings) -> None:
    settings.ROOT_URLCONF = urls
    assert 'name="language"' not in client.get("/about/").text


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("languages")
class TestInABrowser:
    @pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without"])
    @pytest.mark.parametrize("width", [390, 1280])
    def test_a_visitor_chooses(
        self, live_server: LiveServer, browser_page: BrowserPages, width: int, javascript: bool
    ) -> None:
        page = browser_page(width=width, javascript=javascript)
        page.goto(f"{live_server.url}/login/")
        if width < 1000:
            page.get_by_role("checkbox", name="Menu").check()
        page.locator("summary", has_text="English").click()
        if javascript:
            assert_accessible(page)
            assert_fits(page)
        page.get_by_role("button", name="Deutsch").click()
        expect(page.locator("html")).to_have_attribute("lang", "de")
        expect(page).to_have_url(f"{live_server.url}/login/")

    def test_a_customer_chooses(
        self, live_server: LiveServer, browser_page: BrowserPages, user: AbstractBaseUser
    ) -> None:
        page = browser_page()
        log_in(page, live_server, user)
        page.goto(f"{live_server.url}/page/")
        page.locator("summary", has_text="English").click()
        assert_accessible(page)
        page.get_by_role("button", name=OWN_NAMES["ar"]).click()
        expect(page.locator("html")).to_have_attribute("dir", "rtl")
        assert_fits(page)
