from __future__ import annotations

import pytest
from django.template import Context, Template
from django.test import override_settings
from django.urls import reverse_lazy

from quickscale_credits.models import CreditTransaction


def render(source: str, **context: object) -> str:
    return Template("{% load quickscale_credits %}" + source).render(Context(context))


@pytest.mark.parametrize(
    ("setting", "url"),
    [
        ("quickscale_credits:history", reverse_lazy("quickscale_credits:history")),
        ("/shop/", "/shop/"),
        ("https://shop.example/", "https://shop.example/"),
        ("nowhere:to_buy", ""),
        ("", ""),
    ],
)
def test_where_credits_can_be_bought(setting, url):
    with override_settings(QUICKSCALE_CREDITS_BUY_URL=setting):
        assert render("{% credits_buy_url %}") == url


@pytest.mark.parametrize(
    ("kind", "amount", "tone"),
    [
        ("grant", 5, "success"),
        ("consume", -5, ""),
        ("expire", -5, "warning"),
        ("revoke", -5, "warning"),
    ],
)
def test_the_kind_of_an_entry_has_a_tone(kind, amount, tone):
    entry = CreditTransaction(kind=kind, amount=amount)
    assert render("{{ entry|entry_tone }}", entry=entry) == tone
