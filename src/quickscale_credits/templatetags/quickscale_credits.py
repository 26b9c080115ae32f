"""``{% load quickscale_credits %}``: tags for prices and for where credits can be bought."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import template
from django.template.context import Context

from quickscale.formats import format_number
from quickscale_credits import http, shop
from quickscale_credits.models import CreditTransaction, Service, ServiceUsage
from quickscale_credits.pages.stack import balance_chart, ends_in_words
from quickscale_credits.pricing import listed_prices
from quickscale_credits.services import BaseService, get_service
from quickscale_credits.usage import Suggestion

register = template.Library()

register.filter(listed_prices)
register.filter(balance_chart)
register.filter(ends_in_words)


@register.simple_tag(takes_context=True)
def credits_buy_url(context: Context) -> str:
    """Return the URL where credits can be bought, or an empty string if the site sells none."""
    return http.credits_buy_url(context.get("request"))


@register.simple_tag(takes_context=True)
def cheapest_purchase(context: Context, needed: Decimal) -> shop.Purchase | None:
    """Return the cheapest purchase that brings at least ``needed`` credits, if the shop has one."""
    return http.cheapest_purchase(context.get("request"), needed)


@register.filter
def action_label(service: Service) -> str:
    """Return the verb on the button that uses the service."""
    return str((get_service(service.slug) or BaseService).action_label)


@register.filter
def has_meters(service: Service) -> bool:
    """Return whether the service counts more than one thing."""
    return not service.cost_hook and len(listed_prices(service)) > 1


@register.filter
def is_free(service: Service) -> bool:
    """Return whether the whole service is free."""
    prices = service.prices_in_force
    return bool(prices) and not service.cost_hook and not any(row.unit_price for row in prices)


@register.filter
def entry_tone(entry: CreditTransaction) -> str:
    """Return the tone of the pill that shows the kind of an entry."""
    if entry.amount > 0:
        return "success"
    lost = (CreditTransaction.Kind.EXPIRE, CreditTransaction.Kind.REVOKE)
    return "warning" if entry.kind in lost else ""


@register.filter
def entry_details(entry: CreditTransaction) -> str:
    """Return what a use counted, such as "3 × page" or "input: 1,200", or nothing."""
    usage: ServiceUsage | None = getattr(entry, "usage", None)
    if usage is None or entry.service is None:
        return ""
    if usage.units is not None:
        number, unit = format_number(usage.units), entry.service.unit
        return f"{number}\N{NO-BREAK SPACE}× {unit}" if unit else ""
    counted: dict[str, Any] = usage.quantities
    return ", ".join(f"{meter}: {format_number(Decimal(n))}" for meter, n in counted.items())


@register.filter
def suggestion_tone(suggestion: Suggestion) -> str:
    """Return the tone of the alert that shows advice about what was used."""
    return "warning" if suggestion.kind == "buy" else "info"
