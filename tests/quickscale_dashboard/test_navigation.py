from __future__ import annotations

import re
from dataclasses import replace

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.test import Client
from django.urls import path
from pytest_django import Settings

from quickscale_dashboard.checks import check_navigation
from quickscale_dashboard.registry import NavItem, everyone, only, register_temporarily
from tests.markup import flat
from tests.quickscale_dashboard import urls

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.quickscale_dashboard.urls")]

PAGE = NavItem("The page", "page", access=everyone)
BELOW = NavItem("The page below", "page-below", access=everyone)


class WithAdmin:
    urlpatterns = [path("backstage/", admin.site.urls), *urls.urlpatterns]


def current(client: Client, path: str) -> dict[str, str]:
    """Return the marked links of the navigation with their marks."""
    header = flat(client.get(path).text).partition("</header>")[0]
    links = re.findall(r'<a [^>]*aria-current="(\w+)"> <span>([^<]+)</span>', header)
    return {label: mark for mark, label in links}


def test_the_current_page_is_marked(customer: Client) -> None:
    with register_temporarily(PAGE, BELOW):
        assert current(customer, "/page/") == {"The page": "page"}
        assert current(customer, "/page/below/") == {"The page below": "page"}


def test_an_entry_is_marked_for_the_pages_that_it_declares(customer: Client) -> None:
    with register_temporarily(PAGE):
        assert current(customer, "/page/below/") == {}
    with register_temporarily(replace(PAGE, pages=("page-below",))):
        assert current(customer, "/page/below/") == {"The page": "true"}


def test_the_entry_that_names_a_page_most_precisely_is_marked(customer: Client) -> None:
    public = NavItem("Public", "page", pages=("quickscale_dashboard_public:*",))
    about = NavItem("More", "login", pages=("quickscale_dashboard_public:about",))
    with only(public):
        assert current(customer, "/about/") == {"Public": "true"}
    for entries in ((public, about), (about, public)):
        with only(*entries):
            assert current(customer, "/about/") == {"More": "true"}
            assert current(customer, "/contact/") == {"Public": "true"}


def test_a_page_of_the_menu_marks_the_menu_and_nothing_in_the_list(customer: Client) -> None:
    below = NavItem("Mine", "page-below", section="account")
    with register_temporarily(PAGE, below):
        assert current(customer, "/page/below/") == {"Mine": "page"}
        page = customer.get("/page/below/").text
        assert re.search(r'<summary[^>]* aria-current="true">', page)
        assert not re.search(r'<summary[^>]* aria-current="true">', customer.get("/page/").text)


def test_a_group_stands_together_in_the_place_of_its_first_entry(customer: Client) -> None:
    with only(
        NavItem("One", "page", order=1),
        NavItem("Two", "page", order=2, group="Billing"),
        NavItem("Three", "page", order=3),
        NavItem("Four", "page", order=4, group="Billing"),
    ):
        header = flat(customer.get("/page/").text).partition("</header>")[0]
    found = re.findall(r">\s*(Billing|One|Two|Three|Four)\s*<", header)
    assert found == ["One", "Three", "Billing", "Two", "Four"]


def test_an_entry_has_its_icon_and_an_unknown_one_is_reported(customer: Client) -> None:
    with only(replace(PAGE, icon="house")):
        assert "qs-icon-house" in customer.get("/page/").text
        assert check_navigation(None) == []
    with only(replace(PAGE, icon="hose")):
        assert [message.id for message in check_navigation(None)] == ["quickscale_dashboard.E004"]


def test_visitors_have_the_bar_of_public_pages_and_so_does_the_first_page(
    client: Client, customer: Client
) -> None:
    assert 'class="qs-top"' in client.get("/about/").text
    assert 'class="qs-side"' in customer.get("/about/").text
    first = customer.get("/").text
    assert 'class="qs-top"' in first
    assert re.search(r'href="/dashboard/"[^>]*>\s*<span>\s*Dashboard', first)


def test_staff_find_the_admin_where_there_is_one(
    client: Client, customer: Client, user: AbstractBaseUser, settings: Settings
) -> None:
    settings.ROOT_URLCONF = WithAdmin
    assert "/backstage/" not in customer.get("/page/").text
    get_user_model().objects.update(is_staff=True)
    assert '<a class="qs-link" href="/backstage/">' in flat(customer.get("/page/").text)


def test_a_site_without_an_admin_has_no_link_and_no_warning(
    customer: Client, user: AbstractBaseUser
) -> None:
    get_user_model().objects.update(is_staff=True)
    assert ">Admin<" not in customer.get("/page/").text
    assert not [m for m in check_navigation(None) if "Admin" in m.msg]


def test_an_entry_without_a_mounted_url_is_left_out(client: Client) -> None:
    with register_temporarily(NavItem("Nowhere", "not:mounted", access=everyone)):
        assert "Nowhere" not in client.get("/page/").text


def test_account_entries_are_a_menu_for_customers_and_buttons_for_visitors(
    client: Client, customer: Client
) -> None:
    mine = NavItem("My account", "page", section="account")
    enter = NavItem("Come in", "login", order=999, section="account", access=everyone)
    with register_temporarily(mine, enter):
        visitor, member = flat(client.get("/page/").text), customer.get("/page/").text
    assert "<details" not in visitor
    assert re.search(r'<a class="button is-primary[^>]* href="/login/"[^>]*><span>Come in', visitor)
    assert "My account" not in visitor
    assert "<summary" in member
    assert "ada@example.com" in member
    assert "My account" in member


def test_staff_entries_have_a_group_of_their_own(customer: Client) -> None:
    with register_temporarily(NavItem("Look into", "page", section="staff", access=everyone)):
        assert re.search(r">Staff</p>.*Look into", customer.get("/page/").text, re.DOTALL)
    assert ">Staff</p>" not in customer.get("/page/").text
