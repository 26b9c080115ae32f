from __future__ import annotations

import re

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.test import Client
from django.urls import path
from pytest_django import Settings

from quickscale_dashboard.checks import check_navigation
from quickscale_dashboard.registry import NavItem, everyone, register_temporarily
from tests.markup import flat
from tests.quickscale_dashboard import urls

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.quickscale_dashboard.urls")]

PAGE = NavItem("The page", "page", access=everyone)
BELOW = NavItem("The page below", "page-below", access=everyone)


class WithAdmin:
    urlpatterns = [path("backstage/", admin.site.urls), *urls.urlpatterns]


def current(client: Client, path: str) -> dict[str, str]:
    """Return the marked links of the navigation with their marks."""
    links = re.findall(r'aria-current="(\w+)">([^<]+)</a>', flat(client.get(path).text))
    return {label: mark for mark, label in links}


def test_the_current_page_is_marked(client: Client) -> None:
    with register_temporarily(PAGE, BELOW):
        assert current(client, "/page/") == {"The page": "page"}


def test_only_the_entry_nearest_to_the_page_is_marked(client: Client) -> None:
    with register_temporarily(PAGE, BELOW):
        assert current(client, "/page/below/") == {"The page below": "page"}
    with register_temporarily(PAGE):
        assert current(client, "/page/below/") == {"The page": "true"}


def test_a_page_of_the_menu_marks_the_menu_and_nothing_in_the_bar(customer: Client) -> None:
    below = NavItem("Mine", "page-below", section="account")
    with register_temporarily(PAGE, below):
        assert current(customer, "/page/below/") == {"Mine": "page"}
        page = customer.get("/page/below/").text
        assert re.search(r'<summary[^>]* aria-current="true">', page)
        assert not re.search(r'<summary[^>]* aria-current="true">', customer.get("/page/").text)


def test_staff_find_the_admin_where_there_is_one(
    client: Client, customer: Client, user: AbstractBaseUser, settings: Settings
) -> None:
    settings.ROOT_URLCONF = WithAdmin
    assert "/backstage/" not in customer.get("/").text
    get_user_model().objects.update(is_staff=True)
    assert '<a class="navbar-item" href="/backstage/">Admin</a>' in flat(customer.get("/").text)


def test_a_site_without_an_admin_has_no_link_and_no_warning(
    customer: Client, user: AbstractBaseUser
) -> None:
    get_user_model().objects.update(is_staff=True)
    assert ">Admin<" not in customer.get("/").text
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
        visitor, member = flat(client.get("/").text), customer.get("/").text
    assert "<details" not in visitor
    assert '<a class="button is-primary" href="/login/">Come in</a>' in visitor
    assert "My account" not in visitor
    assert "<summary" in member
    assert "ada@example.com" in member
    assert "My account" in member


def test_staff_entries_have_a_menu_of_their_own(client: Client) -> None:
    with register_temporarily(NavItem("Look into", "page", section="staff", access=everyone)):
        assert re.search(r"<span>Staff</span>.*Look into", client.get("/").text, re.DOTALL)
    assert "<span>Staff</span>" not in client.get("/").text
