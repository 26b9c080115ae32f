"""``{% load quickscale_credits %}``: amounts of credits as people read them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms, template
from django.forms import BoundField
from django.forms.widgets import Input
from django.urls import NoReverseMatch, reverse
from django.utils.formats import number_format
from django.utils.translation import ngettext

from quickscale_credits.conf import app_settings

register = template.Library()

MINUS = "\N{MINUS SIGN}"
# The class that Bulma wants on a control; others (choices, check boxes) get theirs around them.
CONTROLS: list[tuple[tuple[type[forms.Widget], ...], str]] = [
    ((forms.Textarea,), "textarea"),
    ((forms.CheckboxInput, forms.RadioSelect, forms.CheckboxSelectMultiple), ""),
    ((Input,), "input"),
]


@register.filter("credits")
def plain_credits(amount: Decimal | int) -> str:
    """``1234.5000`` as "1,234.5": in the reader's locale, without trailing zeros."""
    plain = format(Decimal(amount), "f")
    if "." in plain:
        plain = plain.rstrip("0").rstrip(".")
    text = str(number_format(Decimal(plain), use_l10n=True, force_grouping=True))
    return text.replace("-", MINUS, 1)


@register.filter
def signed_credits(amount: Decimal | int) -> str:
    """The same with a sign before it, for changes: "+10"."""
    return f"+{plain_credits(amount)}" if amount > 0 else plain_credits(amount)


@register.filter
def in_credits(amount: Decimal | int) -> str:
    """The same with its word: "1 credit", "2.5 credits"."""
    # Plural rules know whole numbers only; a fraction reads like more than one.
    count = int(amount) if amount == int(amount) else 2
    return ngettext("%(amount)s credit", "%(amount)s credits", count) % {
        "amount": plain_credits(amount)
    }


@register.simple_tag
def credits_buy_url() -> str:
    """Where credits can be bought, or empty where the site sells none."""
    target = app_settings.buy_url
    if not target or target.startswith(("/", "http://", "https://")):
        return target
    try:
        return reverse(target)
    except NoReverseMatch:
        return ""


@register.inclusion_tag("quickscale_credits/_field.html")
def credits_field(field: BoundField) -> dict[str, Any]:
    """A form's field with label, help and errors, in Bulma's classes."""
    widget = field.field.widget
    kind = next((kind for types, kind in CONTROLS if isinstance(widget, types)), "")
    classes = f"{widget.attrs.get('class', '')} {kind} {'is-danger' if field.errors else ''}"
    attrs: dict[str, str | bool] = {"class": " ".join(classes.split())} if kind else {}
    return {
        "field": field,
        "kind": kind,
        "is_select": isinstance(widget, forms.Select) and not kind,
        "widget": field.as_widget(attrs=attrs),
    }
