"""Template tags of the shell, which therefore needs no context processor in the settings."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from django import template
from django.db import connection, transaction
from django.http import HttpRequest
from django.template import Context
from django.template.base import NodeList, Parser, Token
from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe
from django_htmx.jinja import htmx_script

from quickscale.alerts import Alert
from quickscale.csp import is_ours
from quickscale.internal.languages import offered
from quickscale.links import find_page_url
from quickscale_dashboard import registry
from quickscale_dashboard.conf import DashboardSettings, app_settings

TONES = ("danger", "warning", "info")

logger = logging.getLogger(__name__)
register = template.Library()


@dataclass(frozen=True)
class Link:
    """A navigation entry as the shell renders it.

    ``current`` is the value of ``aria-current``: ``page``, ``true`` for a subpage, or empty.
    """

    label: registry.Text
    url: str
    current: str
    group: registry.Text
    icon: str


@register.simple_tag
def dashboard_settings() -> DashboardSettings:
    """Return the ``QUICKSCALE_DASHBOARD_*`` settings with their defaults."""
    return app_settings


@register.simple_tag
def languages() -> list[tuple[str, str]]:
    """Return the code and the own name of each language that the site offers."""
    return offered()


@register.tag
def capture(parser: Parser, token: Token) -> CaptureNode:
    """Keep what is written inside, in one line, to be used more than once, also in an attribute:
    ``{% capture title %}{% block title %}{% endblock %}{% endcapture %}``."""
    _tag, name = token.split_contents()
    nodes = parser.parse(("endcapture",))
    parser.delete_first_token()
    return CaptureNode(name, nodes)


class CaptureNode(template.Node):
    # A node of simple_block_tag hides the blocks inside it from ``{{ block.super }}``.
    def __init__(self, name: str, nodelist: NodeList) -> None:
        self.name = name
        self.nodelist = nodelist

    def render(self, context: Context) -> SafeString:
        text = " ".join(self.nodelist.render(context).split()).replace('"', "&quot;")
        context[self.name] = mark_safe(text)  # noqa: S308  rendered just now
        return SafeString()


@register.simple_tag(takes_context=True)
def canonical_url(context: Context) -> str:
    """Return the page's address without its query, if it is one of our pages.

    Of the site's own pages only the site knows whether the query makes another page.
    """
    request: HttpRequest | None = context.get("request")
    return request.build_absolute_uri(request.path) if request and is_ours(request) else ""


@register.filter
def absolute(url: str, request: HttpRequest | str) -> str:
    """Return the URL with scheme and host, as other sites need it."""
    return request.build_absolute_uri(url) if isinstance(request, HttpRequest) else url


@register.simple_tag
def htmx() -> SafeString:
    """Output the HTMX script without the one that django-htmx adds if ``DEBUG`` is on.

    That script evaluates text as code, which the Content-Security-Policy forbids.
    """
    script, end, _rest = htmx_script().partition("</script>")
    return SafeString(script + end)


@register.simple_tag(takes_context=True)
def dashboard_nav(context: Context, section: str) -> list[Link]:
    """Return the links of a section that the visitor may see, each group together.

    Entries whose URL is not mounted are left out (see check W003). Each page belongs to a single
    entry of all sections, the one that names it most precisely, so a page of the user's menu marks
    nothing in the sidebar. An error page that is rendered before the user is known has no entries.
    """
    request: HttpRequest | None = context.get("request")
    if request is None or not hasattr(request, "user"):
        return []
    items = [
        (item, url)
        for item in registry.nav_items(request, section)
        if (url := find_page_url(request, item.url_name))
    ]
    groups = list(dict.fromkeys(item.group for item, _url in items))
    items.sort(key=lambda found: groups.index(found[0].group))
    current = _current_item(request)
    return [
        Link(item.label, url, _mark(item, url, current, request), item.group, item.icon)
        for item, url in items
    ]


@register.simple_tag(takes_context=True)
def dashboard_panels(context: Context, page: str) -> list[registry.Panel]:
    """Return the panels of a page that the visitor may see."""
    request: HttpRequest | None = context.get("request")
    return registry.panels(request, page) if request and hasattr(request, "user") else []


@register.simple_tag(takes_context=True)
def dashboard_alert(context: Context) -> Alert | None:
    """Return the most urgent alert for the visitor, if there is one.

    A source that fails is left out, and the error is logged.
    """
    request: HttpRequest = context["request"]
    found = []
    for source in registry.alert_sources(request):
        try:
            with _savepoint():
                found.append(source.find(request))
        except Exception:
            logger.exception("The alert %s could not be found out.", source.name)
    return min(filter(None, found), key=lambda alert: TONES.index(alert.tone), default=None)


@register.simple_tag(takes_context=True)
def render_panel(context: Context, panel: registry.Panel) -> SafeString:
    """Render a panel's template with the variables from its app.

    A panel that fails says so in its place, and the page stays. The error is logged.
    """
    request: HttpRequest = context["request"]
    try:
        with _savepoint():
            return render_to_string(panel.template_name, dict(panel.context(request)), request)
    except Exception:
        logger.exception("The panel %s could not be rendered.", panel.name)
        return render_to_string(
            "quickscale_dashboard/_panel_failed.html", {"panel": panel}, request
        )


def _savepoint() -> AbstractContextManager[object]:
    """Protect the transaction of a request, if the site has them, from an error in a panel."""
    return transaction.atomic() if connection.settings_dict["ATOMIC_REQUESTS"] else nullcontext()


def _current_item(request: HttpRequest) -> registry.NavItem | None:
    """Return the entry that the request's page belongs to."""
    match = request.resolver_match
    if match is None or not match.url_name:
        return None
    name = ":".join([*match.app_names[-1:], match.url_name])
    items = registry.all_nav_items()
    best = max(items, key=lambda item: _precision(item, name), default=None)
    return best if best and _precision(best, name) else None


def _precision(item: registry.NavItem, name: str) -> int:
    if item.url_name == name:
        return 3
    if name in item.pages:
        return 2
    return int(f"{name.partition(':')[0]}:*" in item.pages)


def _mark(
    item: registry.NavItem, url: str, current: registry.NavItem | None, request: HttpRequest
) -> str:
    if item != current:
        return ""
    return "page" if url == request.path else "true"
