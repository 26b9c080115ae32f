from __future__ import annotations

import re

import pytest
from django.utils import translation
from django.utils.html import escape

from quickscale.conf import app_settings
from quickscale.internal.colors import contrast
from quickscale.mail import make_mail

TEMPLATES = {
    "shop/email/sold_subject.txt": (
        "{% autoescape off %}{{ brand_name }}:\n {{ what }}\n{% endautoescape %}"
    ),
    "shop/email/sold_message.txt": (
        '{% extends "quickscale/email/base.txt" %}{% block content %}{{ what }}{% endblock %}'
    ),
    "shop/email/sold_message.html": (
        '{% extends "quickscale/email/base.html" %}{% block content %}{{ what }}'
        '{% include "quickscale/email/_button.html" with label="Look" %}{% endblock %}'
    ),
}


@pytest.fixture
def templates(settings):
    loaders = [
        ("django.template.loaders.locmem.Loader", TEMPLATES),
        "django.template.loaders.app_directories.Loader",
    ]
    backend = "django.template.backends.django.DjangoTemplates"
    settings.TEMPLATES = [{"BACKEND": backend, "OPTIONS": {"loaders": loaders}}]


@pytest.fixture
def message(templates, settings):
    settings.QUICKSCALE_BRAND = {"name": "Tom & Co"}
    settings.QUICKSCALE_SITE_URL = "https://tom.example.com/"
    settings.DEFAULT_FROM_EMAIL = "site@example.com"
    context = {"what": "<b>\nBcc: all@example.com", "url": "/a?b&c"}
    return make_mail("shop/email/sold", ["a@example.com"], context, reply_to=["b@example.com"])


def html_of(message):
    [html] = message.alternatives
    assert html.mimetype == "text/html"
    return html.content


def make_sold(**context):
    return make_mail("shop/email/sold", ["a@example.com"], {"what": "Bread", **context})


def test_a_mail_has_both_parts_in_the_layout(message):
    reason = "You get this email because you have an account at Tom & Co."
    assert message.subject == "Tom & Co: <b> Bcc: all@example.com"
    assert message.body.splitlines() == [
        *("<b>", "Bcc: all@example.com", "", "--", reason, "", "Tom & Co"),
        "https://tom.example.com",
    ]
    html = html_of(message)
    assert html.startswith("<!DOCTYPE html>")
    assert "&lt;b&gt;\nBcc" in html
    assert html.count("Tom &amp; Co") == 4  # title, brand, reason and footer
    assert escape(reason) in html
    assert 'href="/a?b&amp;c"' in html
    assert 'href="https://tom.example.com"' in html


def test_mail_clients_show_the_first_line_of_the_text_beside_the_subject(message):
    assert re.search(r'<div style="display: none;[^>]*>&lt;b&gt;</div>', html_of(message))


def test_its_sender_is_the_site(message):
    assert message.from_email == "Tom & Co <site@example.com>"
    assert (message.to, message.reply_to) == (["a@example.com"], ["b@example.com"])


def test_the_context_may_have_another_brand(templates):
    assert make_sold(brand_name="Other").subject == "Other: Bread"


def test_a_mail_is_in_the_language_that_is_active(templates):
    with translation.override("ar"):
        html = html_of(make_sold())
    # Clients that drop the html element keep the div.
    assert html.count('lang="ar" dir="rtl"') == 2


def test_the_footer_has_the_address_and_the_reason_that_are_given(templates):
    message = make_sold(reason="You asked for bread.", address=["1 Mill Lane", "Bath"])
    assert message.body.splitlines()[-2:] == ["1 Mill Lane", "Bath"]
    assert "\nYou asked for bread.\n" in message.body
    assert "<br>1 Mill Lane<br>Bath</p>" in html_of(message)
    assert ">You asked for bread.</p>" in html_of(message)


@pytest.mark.parametrize("color", ["#176350", "#ffd400", "#0b0b0b", "#ffffff", "#7f7f7f"])
def test_the_button_can_be_read_in_every_brand(templates, settings, color):
    settings.QUICKSCALE_BRAND = {"color": color}
    html = html_of(make_sold(url="https://tom.example.com/"))

    [button] = re.findall(r'<td class="qs-mail-brand" [^>]*style="([^"]*)"><a ', html)
    [link] = re.findall(r'<a [^>]*style="([^"]*)"[^>]*>Look</a>', html)
    [dark] = re.findall(r"\.qs-mail-brand \{ ([^}]*)\}", html)
    for style in (f"{button} {link}", dark):
        background, border, text = (
            re.search(rf"(?:^|; ){name}: [^#;]*(#\w+)", style)[1]
            for name in ("background-color", "border(?:-color)?", "color")
        )
        assert contrast(background, text) >= 4.5
        assert border == text  # So it has an edge, whatever it lies on.
    assert color in button


def test_the_texts_of_the_layout_can_be_read_light_and_dark(templates):
    html = html_of(make_sold())
    light = dict.fromkeys(("page", "card", "inset"), "")
    for name in ("page", "card"):
        light[name] = re.search(rf'qs-mail-{name}"[^>]* background-color: (#\w+)', html)[1]
    for text in set(re.findall(r'style="[^"]*[ "]color: (#\w+);?"', html)) - {"#ffffff"}:
        assert all(contrast(text, light[name]) >= 4.5 for name in ("page", "card"))
    dark = {
        name: re.search(rf"\.qs-mail-{name} {{ (?:background-)?color: (#\w+)", html)[1]
        for name in ("page", "card", "inset", "text", "note")
    }
    for text in ("text", "note"):
        for name in ("page", "card", "inset"):
            assert contrast(dark[text], dark[name]) >= 4.5


@pytest.mark.parametrize(
    ("brand", "static_url", "logo"),
    [
        ({"logo": "bread.png"}, "/static/", "https://tom.example.com/static/bread.png"),
        ({"logo": "bread.svg", "icon": "b.png"}, "https://cdn.test/", "https://cdn.test/b.png"),
        ({"logo": "bread.svg"}, "/static/", ""),
        ({}, "/static/", ""),
    ],
)
def test_the_logo_is_an_image_with_an_absolute_address(
    templates, settings, brand, static_url, logo
):
    settings.QUICKSCALE_SITE_URL = "https://tom.example.com"
    settings.QUICKSCALE_BRAND = {"name": "Tom", **brand}
    settings.STATIC_URL = static_url
    html = html_of(make_sold())
    assert re.findall(r'<img src="([^"]*)" alt=""', html) == ([logo] if logo else [])
    assert html.count(">T</td>") == (0 if logo else 1)
    assert ">Tom</td>" in html


def test_without_an_address_of_the_site_there_is_no_logo(templates, settings):
    settings.QUICKSCALE_SITE_URL = ""
    settings.QUICKSCALE_BRAND = {"logo": "bread.png"}
    message = make_sold()
    assert "<img" not in html_of(message)
    assert message.body.endswith("QuickScale\n")


@pytest.mark.parametrize(
    ("debug", "hosts", "url"),
    [
        (False, ["*", ".example.com", "other.example.com"], "https://example.com"),
        (False, ["*"], ""),
        (True, ["example.com"], "http://localhost:8000"),
    ],
)
def test_the_address_of_the_site_follows_from_its_hosts(settings, debug, hosts, url):
    settings.DEBUG, settings.ALLOWED_HOSTS = debug, hosts
    assert app_settings.site_url == url
