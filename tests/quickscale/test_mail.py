from __future__ import annotations

import pytest

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
    settings.QUICKSCALE_BRAND_NAME = "Tom & Co"
    settings.DEFAULT_FROM_EMAIL = "site@example.com"
    context = {"what": "<b>\nBcc: all@example.com", "url": "/a?b&c"}
    return make_mail("shop/email/sold", ["a@example.com"], context, reply_to=["b@example.com"])


def test_a_mail_has_both_parts_in_the_layout(message):
    assert message.subject == "Tom & Co: <b> Bcc: all@example.com"
    assert message.body.split() == ["<b>", "Bcc:", "all@example.com", "--", "Tom", "&", "Co"]
    [html] = message.alternatives
    assert html.mimetype == "text/html"
    assert html.content.startswith("<!DOCTYPE html>")
    assert "&lt;b&gt;" in html.content
    assert html.content.count("Tom &amp; Co") == 3  # title, brand and footer
    assert 'href="/a?b&amp;c"' in html.content


def test_its_sender_is_the_site(message):
    assert message.from_email == "Tom & Co <site@example.com>"
    assert (message.to, message.reply_to) == (["a@example.com"], ["b@example.com"])


def test_the_context_may_have_another_brand(templates):
    context = {"what": "Bread", "brand_name": "Other"}
    assert make_mail("shop/email/sold", ["a@example.com"], context).subject == "Other: Bread"
