"""Template tags of the shell, which therefore needs no context processor in the settings."""

from __future__ import annotations

from dataclasses import dataclass

from django import template
from django.http import HttpRequest
from django.template import Context
from django.template.base import NodeList, Parser, Token
from django.template.loader import render_to_string
from django.urls import NoReverseMatch
from django.utils.safestring import SafeString, mark_safe
from django_htmx.jinja import htmx_script

from quickscale.csp import is_ours
from quickscale.links import page_url
from quickscale_dashboard import registry
from quickscale_dashboard.conf import DashboardSettings, app_settings

register = template.Library()


@dataclass(frozen=True)
class Link:
    """A navigation entry as the shell renders it.

    ``current`` is the value of ``aria-current``: ``page``, ``true`` for a subpage, or empty.
    """

    label: registry.Text
    url: str
    current: str


@register.simple_tag
def dashboard_settings() -> DashboardSettings:
    """Return the ``QUICKSCALE_DASHBOARD_*`` settings with their defaults."""
    return app_settings


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
    """Return the links of a section that the visitor may see.

    Entries whose URL is not mounted are left out (see check W003). Each page belongs to a single
    entry of all sections, its nearest parent, so a page of the user's menu marks nothing in the
    bar. An error page that is rendered before the user is known has no entries.
    """
    request: HttpRequest | None = context.get("request")
    if request is None or not hasattr(request, "user"):
        return []
    urls = {item: _url(request, item) for item in registry.all_nav_items()}
    above = (url for url in urls.values() if _is_above(url, request.path))
    nearest = max(above, default="", key=len)
    return [
        Link(item.label, urls[item], _current(urls[item], request.path, nearest))
        for item in registry.nav_items(request, section)
        if urls[item]
    ]


@register.simple_tag(takes_context=True)
def render_panel(context: Context, panel: registry.Panel) -> SafeString:
    """Render a panel's template with the variables from its app."""
    request: HttpRequest = context["request"]
    return render_to_string(panel.template_name, dict(panel.context(request)), request)


def _url(request: HttpRequest, item: registry.NavItem) -> str:
    try:
        return page_url(request, item.url_name)
    except NoReverseMatch:
        return ""


def _is_above(url: str, path: str) -> bool:
    return len(url) > 1 and path.startswith(url)


def _current(url: str, path: str, nearest: str) -> str:
    if url == path:
        return "page"
    return "true" if url == nearest else ""
