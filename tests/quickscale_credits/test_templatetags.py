from __future__ import annotations

import pytest
from django import forms
from django.template import Context, Template
from django.test import override_settings
from django.urls import reverse_lazy


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


class EveryControl(forms.Form):
    text = forms.CharField(help_text="Any text.")
    long = forms.CharField(widget=forms.Textarea)
    choice = forms.ChoiceField(choices=[("a", "A")])
    flag = forms.BooleanField()
    several = forms.MultipleChoiceField(
        choices=[("a", "A")], widget=forms.CheckboxSelectMultiple, label="Several"
    )


def test_fields_have_bulmas_classes_and_labels():
    form = EveryControl()
    html = {name: render("{% credits_field field %}", field=form[name]) for name in form.fields}

    assert 'class="input"' in html["text"]
    assert 'id="id_text_helptext"' in html["text"]
    assert 'aria-describedby="id_text_helptext"' in html["text"]
    assert 'class="textarea"' in html["long"]
    assert '<div class="select is-fullwidth"><select' in html["choice"]
    assert 'class="input"' not in html["flag"]
    assert "<legend>Several:</legend>" in html["several"]
    for name in ("text", "long", "choice", "flag"):
        assert f'for="id_{name}"' in html[name]


def test_a_field_shows_its_errors():
    html = render("{% credits_field field %}", field=EveryControl({})["text"])

    assert 'class="input is-danger"' in html
    assert "This field is required." in html
