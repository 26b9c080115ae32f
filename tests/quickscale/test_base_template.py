"""One template puts our pages into the site's page, and a check reports what it lacks."""

from __future__ import annotations

import re

import pytest
from django.contrib import messages
from django.contrib.auth.models import AnonymousUser
from django.contrib.messages.storage.fallback import FallbackStorage
from django.core.checks import Tags, run_checks
from django.template import autoreload
from django.template.loader import render_to_string
from django.urls import include, path

BASE = """<!doctype html><html lang="en"><head><title>{% block title %}{% endblock %}</title>
{% block extra_head %}{% endblock %}</head><body>{% block content %}{% endblock %}</body></html>"""
PAGE = """{% extends "quickscale/base.html" %}{% block quickscale_title %}Page{% endblock %}
{% block quickscale_content %}<h1>Ours</h1>{% endblock %}"""

urlpatterns = [path("credits/", include("quickscale_credits.urls"))]


@pytest.fixture
def site(settings, tmp_path):
    """A function that writes the templates of a site with pages of ours."""
    settings.ROOT_URLCONF = __name__
    settings.TEMPLATES = [settings.TEMPLATES[0] | {"DIRS": [tmp_path]}]

    def write(**templates):
        for name, text in {"page": PAGE, **templates}.items():
            file = tmp_path / f"{name.replace('__', '/')}.html"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        autoreload.reset_loaders()

    return write


@pytest.fixture
def request_with_message(rf):
    request = rf.get("/")
    request.user = AnonymousUser()
    request.session = {}
    request._messages = FallbackStorage(request)
    messages.warning(request, "Your plan is changed.")
    return request


def found():
    return {message.id: message for message in run_checks(tags=[Tags.templates])}


def test_a_base_with_the_usual_blocks_is_fine(site):
    """No test here may use the database, so this also shows that the check doesn't."""
    site(base=BASE)
    assert found() == {}


def test_a_site_without_base_is_reported(site):
    site()
    message = found()["quickscale.E004"]
    assert "base.html" in message.msg
    assert "shell.html" in message.hint


def test_a_site_without_pages_of_ours_needs_no_base(site, settings):
    settings.ROOT_URLCONF = "quickscale_dashboard.urls_health"
    site()
    assert found() == {}


def test_a_base_that_extends_a_missing_template_is_reported(site):
    site(base='{% extends "layout.html" %}')
    assert "layout.html" in found()["quickscale.E004"].msg


def test_a_base_without_content_is_reported(site):
    site(base=BASE.replace("block content", "block main"))
    assert "quickscale/base.html" in found()["quickscale.E005"].hint


def test_a_content_block_that_an_override_drops_is_reported(site):
    layout = BASE.replace(
        "{% block content %}", "{% block main %}{% block content %}{% endblock %}"
    )
    site(layout=layout, base='{% extends "layout.html" %}{% block main %}{% endblock %}')
    assert "quickscale.E005" in found()
    site(base='{% extends "layout.html" %}{% block main %}<i>{{ block.super }}</i>{% endblock %}')
    assert found() == {}


def test_an_override_of_a_block_may_contain_an_outer_block(site):
    mapping = """{% extends "quickscale/base.html" %}{% block quickscale_content %}
    <div>{% block content %}{{ block.super }}{% endblock %}</div>{% endblock %}"""
    site(base=BASE, quickscale__base=mapping)
    assert found() == {}
    assert "<div>" in render_to_string("quickscale/base.html")


def test_a_base_without_a_place_in_the_head_is_reported(site):
    site(base=BASE.replace("extra_head", "css"))
    assert "'extra_head'" in found()["quickscale.W004"].msg
    assert "'title'" not in found()["quickscale.W004"].msg
    site(base=BASE.replace("block title", "block name"))
    assert "'title'" in found()["quickscale.W004"].msg


def test_a_site_maps_its_own_blocks_and_wraps_our_pages(site, request_with_message):
    """It does so by one template that extends ours, so our parts beside the content are kept."""
    names = {"block title": "block name", "extra_head": "css", "block content": "block main"}
    base = BASE
    for ours, theirs in names.items():
        base = base.replace(ours, theirs)
    mapping = """{% extends "quickscale/base.html" %}
    {% block name %}{% block quickscale_title %}{% endblock %} | Site{% endblock %}
    {% block css %}{% block quickscale_head %}{{ block.super }}{% endblock %}{% endblock %}
    {% block main %}<div id="wrapper">{% block quickscale_page %}{{ block.super }}{% endblock %}
    </div>{% endblock %}"""
    site(base=base, quickscale__base=mapping)
    assert found() == {}
    html = render_to_string("page.html", request=request_with_message)
    assert "<title>Page | Site</title>" in html
    wrapper = html.partition('<div id="wrapper">')[2].partition("</div>\n    </div>")[0]
    assert "<h1>Ours</h1>" in wrapper
    assert "Your plan is changed." in wrapper


def test_a_look_without_elements_is_reported(site, settings):
    site(base=BASE)
    settings.QUICKSCALE_ELEMENTS = "wood"
    assert "quickscale/elements/wood" in found()["quickscale.W005"].hint
    site(base=BASE, quickscale__elements__wood__pill="<mark>")
    assert found() == {}


def test_a_mistake_in_an_element_does_not_break_the_checks(site, settings):
    settings.QUICKSCALE_ELEMENTS = "wood"
    site(base=BASE, quickscale__elements__wood__pill="{% if %}")
    assert found() == {}


@pytest.mark.parametrize(
    ("level", "tone", "role"),
    [
        (messages.DEBUG, None, "status"),
        (messages.INFO, "qs-info", "status"),
        (messages.SUCCESS, "qs-success", "status"),
        (messages.WARNING, "qs-warning", "alert"),
        (messages.ERROR, "qs-danger", "alert"),
        (messages.ERROR + 10, "qs-danger", "alert"),
    ],
)
@pytest.mark.parametrize("tags", [messages.DEFAULT_TAGS, {messages.ERROR: "danger"}])
def test_each_level_has_its_tone_and_role_for_any_tag(
    site, request_with_message, settings, level, tone, role, tags
):
    settings.MESSAGE_TAGS = tags
    settings.QUICKSCALE_ELEMENTS = "bulma"
    site(base=BASE)
    storage = request_with_message._messages
    storage.level = level
    storage._queued_messages.clear()
    messages.add_message(request_with_message, level, "Read me")
    html = render_to_string("page.html", request=request_with_message)
    [alert] = re.findall(r'<div class="qs-alert[^>]*>', html)
    assert f'role="{role}"' in alert
    assert re.findall(r"qs-(?!alert|tint)\w+", alert) == ([tone] if tone else [])


@pytest.mark.parametrize(
    "base",
    [
        BASE,
        BASE.replace("<body>", "<body>{% for each in messages %}<b>{{ each }}</b>{% endfor %}"),
        BASE.replace("</body>", "{% for each in messages %}<b>{{ each }}</b>{% endfor %}</body>"),
    ],
    ids=["nowhere", "above", "below"],
)
def test_a_message_is_shown_once(site, request_with_message, base):
    site(base=base)
    html = render_to_string("page.html", request=request_with_message)
    assert html.count("Your plan is changed.") == 1
    assert request_with_message._messages.used


def test_a_page_needs_no_messages(site, rf):
    site(base=BASE)
    assert "<h1>Ours</h1>" in render_to_string("page.html", request=rf.get("/"))
    assert "<h1>Ours</h1>" in render_to_string("page.html")
