"""``{% load quickscale_elements %}``: what our pages are made of."""

from __future__ import annotations

from django import template
from django.contrib.messages import get_messages
from django.contrib.messages.storage.base import Message
from django.http import HttpRequest
from django.template.context import Context

register = template.Library()


@register.simple_tag(takes_context=True)
def unread_messages(context: Context) -> list[Message]:
    """The messages of Django that the page has not shown so far, and won't show again."""
    request: HttpRequest | None = context.get("request")
    messages = get_messages(request) if request else None
    if not messages or getattr(messages, "used", False):
        return []
    unread = list(messages)
    context.set_upward("messages", "")
    return unread
