from __future__ import annotations

import pytest
from django.urls import reverse

from quickscale_accounts.testing import UserFactory
from tests.quickscale_accounts.html import Page

pytestmark = pytest.mark.django_db

BY_HTMX = {"HX-Request": "true", "HX-Target": "account-page"}


def post_login(client, password, headers):
    data = {"login": "ann@example.com", "password": password}
    return client.post(reverse("account_login"), data, headers=headers)


def test_forms_ask_htmx_for_the_part_that_changes(client):
    url = reverse("account_login")
    [form] = Page(client.get(url)).find("form", action=url)
    assert form["method"] == "post"
    assert form["hx-post"] == url
    assert form["hx-select"] == form["hx-target"] == "#account-page"


def test_a_mistake_is_shown_in_place(client):
    UserFactory(email="ann@example.com")
    response = post_login(client, "wrong", BY_HTMX)
    assert response.status_code == 200
    page = Page(response)
    assert "account-page" in page.ids()
    assert page.find("div", role="alert")


def test_success_loads_the_next_page_in_full(client):
    UserFactory(email="ann@example.com")
    response = post_login(client, "password", BY_HTMX)
    assert response.status_code == 200
    assert response["HX-Redirect"] == "/dashboard/"
    assert "Location" not in response
    assert "_auth_user_id" in client.session


def test_cookies_of_the_redirect_are_kept(client):
    UserFactory(email="ann@example.com")
    response = post_login(client, "password", BY_HTMX)
    assert "sessionid" in response.cookies


def test_a_plain_form_is_redirected(client):
    UserFactory(email="ann@example.com")
    response = post_login(client, "password", {})
    assert response.status_code == 302
    assert response.url == "/dashboard/"


def test_requests_of_other_apps_are_left_alone(client):
    response = client.get(reverse("account_logout"), headers={"HX-Request": "true"})
    assert response.status_code == 302


def test_without_the_middleware_the_forms_are_plain(client, settings):
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "HtmxForms" not in name]
    url = reverse("account_login")
    [form] = Page(client.get(url)).find("form", action=url)
    assert not any(name.startswith("hx-") for name in form)
