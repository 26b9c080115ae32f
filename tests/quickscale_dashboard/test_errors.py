from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.template import autoreload
from django.template.loader import render_to_string
from django.test import Client, RequestFactory
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
    assert 'class="qs-top"' in response.text
    assert problems_of_page(response.text) == []
    assert "default-src 'self'" in response["Content-Security-Policy"]


@pytest.mark.django_db
def test_a_form_without_its_token_is_explained(client: Client) -> None:
    strict = Client(enforce_csrf_checks=True)
    response = strict.post("/contact/", {})
    assert response.status_code == 403
    assert "This form is out of date" in response.text
    assert problems_of_page(response.text) == []


@pytest.fixture
def render(settings: Settings, tmp_path: Path, rf: RequestFactory) -> Iterator[Callable[..., str]]:
    """A function that renders a template in a site with the given templates."""
    settings.TEMPLATES = [settings.TEMPLATES[0] | {"DIRS": [tmp_path]}]
    request = rf.get("/")
    request.user = AnonymousUser()

    def render(name: str, **templates: str) -> str:
        for path, text in templates.items():
            file = tmp_path / f"{path.replace('__', '/')}.html"
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)
        autoreload.reset_loaders()
        return render_to_string(name, request=request)

    yield render
    autoreload.reset_loaders()


@pytest.mark.parametrize(
    ("name", "heading"),
    [
        ("errors/403", "This page is not for you"),
        ("errors/403_csrf", "This form is out of date"),
        ("errors/404", "There is nothing here"),
        ("errors/405", "Nothing to see here"),
        ("home", "Pay for what you use"),
    ],
)
def test_a_site_with_other_blocks_has_the_page_in_its_own(
    render: Callable[..., str], settings: Settings, name: str, heading: str
) -> None:
    settings.QUICKSCALE_ELEMENTS = "plain"
    mapping = """{% extends "quickscale/base.html" %}
    {% block name %}{% block quickscale_title %}{% endblock %}{% endblock %}
    {% block body %}{% block quickscale_page %}{{ block.super }}{% endblock %}{% endblock %}"""
    html = render(
        f"quickscale_dashboard/{name}.html",
        base="<title>{% block name %}{% endblock %}</title>{% block body %}{% endblock %}",
        quickscale__base=mapping,
    )
    title, _, body = html.partition("</title>")
    assert title.removeprefix("<title>").strip()
    assert heading in body
    assert 'class="button' not in body


def test_a_site_fills_the_blocks_of_its_base_as_on_any_page(render: Callable[..., str]) -> None:
    page = """{% extends "quickscale_dashboard/errors/404.html" %}
    {% block title %}Gone{% endblock %}
    {% block content %}<i>Sorry</i> {{ block.super }}{% endblock %}"""
    base = "<title>{% block title %}{% endblock %}</title><body>{% block content %}{% endblock %}"
    html = render("404.html", **{"404": page, "base": base})
    assert "<title>Gone</title>" in html
    assert html.index("<i>Sorry</i>") < html.index("There is nothing here")


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
