"""Links between the pages of our apps, even if their URLs start with parameters of the site.

If a site mounts the pages below ``projects/<slug:project>/``, they link to each other within the
project of the request.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import combinations
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import NoReverseMatch, URLResolver, get_resolver, reverse
from django.views.generic import TemplateView

from quickscale.conf import app_settings


def page_url(request: HttpRequest | None, name: str, /, **kwargs: Any) -> str:
    """Reverse the URL of a page, reusing the parameters of the current page's URL that it takes.

    It reuses as many parameters as any instance of the app's URLs takes; the current page's
    instance is tried first. ``kwargs`` are the page's own parameters.

    Raises:
        NoReverseMatch: the site has no such page, or it takes other parameters.
    """
    match: Any = getattr(request, "resolver_match", None)
    given = list(match.kwargs.items()) if match else []
    for count in range(len(given), 0, -1):
        for some in combinations(given, count):
            for instance in _instances(name, match.namespace):
                with suppress(NoReverseMatch):
                    return reverse(instance, kwargs={**dict(some), **kwargs})
    return reverse(name, kwargs=kwargs, current_app=match.namespace if match else None)


def find_page_url(request: HttpRequest | None, name: str, /, **kwargs: Any) -> str:
    """Return :func:`page_url`, or an empty string where it would raise."""
    with suppress(NoReverseMatch):
        return page_url(request, name, **kwargs)
    return ""


def absolute_page_url(name: str, /, **kwargs: Any) -> str:
    """Return the address of a page for a mail, below ``QUICKSCALE_SITE_URL``.

    It is empty if the setting is, or if the site has no such page, or one that needs further
    parameters.
    """
    site_url, path = app_settings.site_url, find_page_url(None, name, **kwargs)
    return f"{site_url}{path}" if site_url and path else ""


def _instances(name: str, present: str) -> Iterator[str]:
    """Yield the name in each instance of its app's URLs, the current one first."""
    app, colon, rest = name.partition(":")
    instances = get_resolver().app_dict.get(app, [app])
    for instance in sorted(instances, key=lambda each: each != present):
        yield f"{instance}{colon}{rest}"


def has_page(name: str) -> bool:
    """Return whether the site has a URL with that name, whatever parameters it takes."""
    resolver: URLResolver = get_resolver()
    *namespaces, last = name.split(":")
    for namespace in namespaces:
        instances = resolver.app_dict.get(namespace, [namespace])
        if instances[0] not in resolver.namespace_dict:
            return False
        resolver = resolver.namespace_dict[instances[0]][1]
    return last in resolver.reverse_dict


class PageView(TemplateView):
    """A page whose URL may start with the site's parameters, which are kept from its template."""

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self.render_to_response(self.get_context_data())
