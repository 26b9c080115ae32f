from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import connection
from django.http import HttpRequest
from django.shortcuts import resolve_url
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from quickscale.alerts import Alert
from quickscale_dashboard.registry import (
    AlertSource,
    Panel,
    register_temporarily,
    staff,
)
from tests.markup import flat

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("empty_registry", "greeting_template"),
]


def panel(name: str, title: str, **options: object) -> Panel:
    def context(request: HttpRequest) -> dict[str, str]:
        return {"title": title}

    return Panel(name, "greeting.html", context, **options)  # type: ignore[arg-type]


def test_panels_show_in_order_with_their_variables(customer: Client) -> None:
    second = panel("two", "Second", order=20, columns=4)
    with register_temporarily(second, panel("one", "First", order=10)):
        text = customer.get("/dashboard/").text
    assert text.index("<h2>First</h2>") < text.index("<h2>Second</h2>")
    assert '<div class="qs-span-4">' in text
    assert "<p>ada@example.com</p>" in text


def test_without_panels_the_page_says_so(customer: Client) -> None:
    assert "Nothing here yet" in customer.get("/dashboard/").text
    with register_temporarily(panel("one", "First")):
        assert "Nothing here yet" not in customer.get("/dashboard/").text


def test_a_panel_reloads_itself_when_the_balance_changes(customer: Client) -> None:
    with register_temporarily(panel("one", "First")):
        page = customer.get("/dashboard/").text
        alone = customer.get("/dashboard/panels/home/one/", headers={"HX-Request": "true"})
    assert 'hx-get="/dashboard/panels/home/one/"' in page
    assert 'hx-trigger="balance-changed from:body"' in page
    assert re.match('<section [^>]*id="panel-one"', flat(alone.text))
    assert "<h2>First</h2>" in alone.text
    assert "<html" not in alone.text


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("atomic_requests", [False, True])
def test_a_panel_that_fails_leaves_the_page_and_the_other_panels(
    customer: Client,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    atomic_requests: bool,
) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", atomic_requests)

    def fail(request: HttpRequest) -> dict[str, str]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT * FROM nothing")
        return {}

    with register_temporarily(Panel("bad", "greeting.html", fail, order=1), panel("one", "First")):
        response = customer.get("/dashboard/")
    assert response.status_code == 200
    assert "could not be loaded" in response.text
    assert "<h2>First</h2>" in response.text
    assert "<p>ada@example.com</p>" in response.text
    assert "The panel bad could not be rendered." in caplog.text


def test_a_deferred_panel_comes_after_the_page(customer: Client) -> None:
    with register_temporarily(panel("slow", "Slow", deferred=True)):
        page = customer.get("/dashboard/").text
        alone = customer.get("/dashboard/panels/home/slow/", headers={"HX-Request": "true"}).text
    assert "Slow" not in page
    assert "qs-skeleton" in page
    assert 'hx-trigger="load, balance-changed from:body"' in page
    assert "<h2>Slow</h2>" in alone
    assert "load," not in alone


def test_a_panel_of_the_bar_is_on_every_page(customer: Client) -> None:
    with register_temporarily(panel("balance", "12 credits", page="bar")):
        page = flat(customer.get("/about/").text).partition("</header>")[0]
    assert "<h2>12 credits</h2>" in page
    assert 'hx-get="/dashboard/panels/bar/balance/"' in page


def test_a_panel_is_shown_only_to_those_whom_its_rule_allows(customer: Client) -> None:
    with register_temporarily(panel("secret", "Secret", access=staff)):
        assert "Secret" not in customer.get("/dashboard/").text
        assert customer.get("/dashboard/panels/home/secret/").status_code == 404
    assert customer.get("/dashboard/panels/home/unknown/").status_code == 404


def test_a_visitor_whose_session_ended_is_sent_to_log_in_and_back(client: Client) -> None:
    headers = {"HX-Request": "true", "HX-Current-URL": "http://testserver/dashboard/"}
    with register_temporarily(panel("one", "First")):
        response = client.get("/dashboard/panels/home/one/", headers=headers)
    assert response["HX-Redirect"] == f"{resolve_url(settings.LOGIN_URL)}?next=/dashboard/"
    assert response.text == ""


def test_the_shell_needs_no_queries_for_panels(
    user: AbstractBaseUser, customer: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    panels = [panel(f"p{number}", f"Panel {number}") for number in range(5)]
    with register_temporarily(*panels), django_assert_num_queries(2):
        customer.get("/dashboard/")  # for the session and the user


def found(tone: str, title: str) -> Callable[[HttpRequest], Alert]:
    return lambda request: Alert(tone, title, "It matters.", "See it", "/there/")


def broken(request: HttpRequest) -> None:
    raise RuntimeError("broken on purpose")


def test_the_home_shows_only_the_most_urgent_alert(
    customer: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with register_temporarily(
        AlertSource("later", found("danger", "Second failure"), order=9),
        AlertSource("low", found("warning", "Few credits"), order=1),
        AlertSource("broken", broken),
        AlertSource("none", lambda request: None),
        AlertSource("due", found("danger", "First failure"), order=5),
        AlertSource("hidden", found("danger", "For staff"), order=1, access=staff),
    ):
        page = flat(customer.get("/dashboard/").text)
    assert "<strong>First failure</strong> It matters." in page
    assert 'href="/there/"' in page
    for other in ("Second failure", "Few credits", "For staff"):
        assert other not in page
    assert "The alert broken could not be found out." in caplog.text
