from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.test import Client
from pytest_django import Settings

from tests.markup import problems_of_page

pytestmark = pytest.mark.urls("tests.quickscale_dashboard.urls")


@pytest.fixture
def client() -> Client:
    return Client(raise_request_exception=False)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "status", "heading"),
    [
        ("/forbidden/", 403, "This page is not for you"),
        ("/no-such-page/", 404, "There is nothing here"),
    ],
)
def test_errors_of_a_visitor_keep_the_shell(
    client: Client, path: str, status: int, heading: str
) -> None:
    response = client.get(path)
    assert response.status_code == status
    assert heading in response.text
    assert '<nav class="navbar"' in response.text
    assert problems_of_page(response.text) == []
    assert "default-src 'self'" in response["Content-Security-Policy"]


@pytest.mark.django_db
def test_a_form_without_its_token_is_explained(client: Client) -> None:
    strict = Client(enforce_csrf_checks=True)
    response = strict.post("/contact/", {})
    assert response.status_code == 403
    assert "This form is out of date" in response.text
    assert problems_of_page(response.text) == []


def test_a_request_that_cannot_be_read_is_explained(client: Client) -> None:
    response = client.get("/suspicious/")
    assert response.status_code == 400
    assert "We did not understand that" in response.text
    assert problems_of_page(response.text) == []


def test_a_broken_site_needs_neither_database_nor_context_processors_to_say_so(
    client: Client, settings: Settings
) -> None:
    options = {"context_processors": [f"{__name__}.broken_context_processor"]}
    settings.TEMPLATES = [settings.TEMPLATES[0] | {"OPTIONS": options}]
    response = client.get("/broken/")
    assert response.status_code == 500
    assert "Something broke on our side" in response.text
    assert problems_of_page(response.text) == []
    assert "default-src 'self'" in response["Content-Security-Policy"]


def broken_context_processor(request: HttpRequest) -> dict[str, object]:
    raise ImproperlyConfigured("The page of a broken site asks no context processor.")
