"""``{% load quickscale_credits %}``: where credits can be bought, prices, and form fields."""

from __future__ import annotations

from typing import Any

from django import forms, template
from django.forms import BoundField
from django.forms.widgets import Input
from django.template.context import Context

from quickscale_credits import responses
from quickscale_credits.models import Service
from quickscale_credits.pricing import listed_prices

register = template.Library()

# The class that Bulma wants on a control; others (choices, check boxes) get theirs around them.
CONTROLS: list[tuple[tuple[type[forms.Widget], ...], str]] = [
    ((forms.Textarea,), "textarea"),
    ((forms.CheckboxInput, forms.RadioSelect, forms.CheckboxSelectMultiple), ""),
    ((Input,), "input"),
]


register.filter(listed_prices)


@register.simple_tag(takes_context=True)
def credits_buy_url(context: Context) -> str:
    """Where credits can be bought, or empty where the site sells none."""
    return responses.credits_buy_url(context.get("request"))


@register.filter
def has_meters(service: Service) -> bool:
    """Whether the service counts more than one thing."""
    return not service.cost_hook and len(listed_prices(service)) > 1


@register.filter
def is_free(service: Service) -> bool:
    """Whether nothing of the service costs anything."""
    prices = service.prices_in_force
    return bool(prices) and not service.cost_hook and not any(row.unit_price for row in prices)


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
