"""``{% load quickscale %}``: the brand, links between pages, and formats of values.

In HTML, numbers, credits, money and times get an element of their own, which a surrounding
right-to-left text doesn't reverse. If ``autoescape`` is off, as in the text of a mail, they are
plain text.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from functools import wraps
from typing import Any

from django import template
from django.template.base import Parser, Token
from django.template.context import Context
from django.template.defaulttags import URLNode, url
from django.urls import NoReverseMatch
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString
from django.utils.timezone import localtime

from quickscale import drafts, formats
from quickscale.brand import Brand, get_brand
from quickscale.internal.brand_styles import style_sheet_url
from quickscale.links import page_url

register = template.Library()


def isolated(function: Callable[..., str]) -> Callable[..., str]:
    """Make a filter that wraps the function's result in a ``<bdi>`` unless it is empty."""

    @wraps(function)
    def filter_(*arguments: Any, autoescape: bool = True) -> str:
        text = function(*arguments)
        return format_html("<bdi>{}</bdi>", text) if autoescape and text else text

    filter_.needs_autoescape = True  # type: ignore[attr-defined]
    return filter_


def _time(text: str, stamp: str, autoescape: bool) -> str:
    return format_html('<time datetime="{}">{}</time>', stamp, text) if autoescape else text


@register.filter(name="credits")
@isolated
def plain_credits(amount: Decimal | int) -> str:
    """Format a number of credits: ``{{ lot.remaining|credits }}``."""
    return formats.format_credits(amount)


@register.filter
@isolated
def signed_credits(amount: Decimal | int) -> str:
    """Format a change of credits with its sign: "+10"."""
    return formats.format_credits(amount, signed=True)


@register.filter
@isolated
def in_credits(amount: Decimal | int) -> str:
    """Format a number of credits with the word, such as "10 credits"."""
    return formats.in_credits(amount)


@register.filter
@isolated
def money(amount: int | Decimal, currency: str) -> str:
    """Format minor units: ``{{ payment.amount|money:payment.currency }}``."""
    return formats.format_money(amount, currency)


@register.filter(needs_autoescape=True)
def day(moment: datetime | None, autoescape: bool = True) -> str:
    """Format the day of a moment in the site's time zone; without a moment, return nothing."""
    if moment is None:
        return ""
    return _time(formats.format_day(moment), f"{localtime(moment):%Y-%m-%d}", autoescape)


register.filter(formats.day_name)


@register.filter(name="moment", needs_autoescape=True)
def day_and_time(moment: datetime | None, autoescape: bool = True) -> str:
    """Format a moment with the name of its time zone; without a moment, return nothing.

    ``elements.js`` shows it in the reader's time zone, so it can be on another day than ``day``.
    """
    if moment is None:
        return ""
    stamp = f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return _time(formats.format_moment(moment), stamp, autoescape)


@register.simple_tag
def brand() -> Brand:
    """Return the site's brand, see :mod:`quickscale.brand`: ``{% brand as brand %}``."""
    return get_brand()


@register.simple_tag
def brand_name() -> str:
    """Return the name of the site."""
    return get_brand().name


@register.simple_tag
def brand_styles(sheet: str = "pages") -> SafeString:
    """Output a link to the brand's style sheet for ``"pages"`` or ``"admin"``, if it has one."""
    url = style_sheet_url(sheet)
    return format_html('<link rel="stylesheet" href="{}">', url) if url else SafeString()


@register.simple_tag(takes_context=True)
def last_draft(context: Context) -> drafts.Draft | None:
    """Return what the person typed last before they left its page; see :mod:`quickscale.drafts`."""
    request = context.get("request")
    return drafts.last(request) if request and hasattr(request, "user") else None


@register.tag(name="page_url")
def page_url_tag(parser: Parser, token: Token) -> PageURLNode:
    """Output the URL of a page of our apps, like ``{% url %}``; see :mod:`quickscale.links`.

    The page's own parameters are named: ``{% page_url "quickscale_stripe:payment" pk=row.pk %}``.
    """
    node = url(parser, token)
    if node.args:
        raise template.TemplateSyntaxError("page_url takes the page's parameters by name.")
    return PageURLNode(node.view_name, node.args, node.kwargs, node.asvar)


class PageURLNode(URLNode):
    def render(self, context: Context) -> str:
        kwargs = {name: value.resolve(context) for name, value in self.kwargs.items()}
        try:
            request = getattr(context, "request", None) or context.get("request")
            found = page_url(request, self.view_name.resolve(context), **kwargs)
        except NoReverseMatch:
            if self.asvar is None:
                raise
            found = ""
        if self.asvar is None:
            return conditional_escape(found) if context.autoescape else found
        context[self.asvar] = found
        return ""
