"""Links between the pages of our apps, also where their URLs begin with parameters of the site's.

A site that mounts them below ``projects/<slug:project>/`` links them within the project that the
request is in.
"""

from __future__ import annotations

from contextlib import suppress
from itertools import combinations
from typing import Any

from django.http import HttpRequest
from django.urls import NoReverseMatch, get_resolver, reverse


def page_url(request: HttpRequest | None, name: str, /, **kwargs: Any) -> str:
    """Reverse the URL of a page, with the parameters that the present page is mounted below.

    As many of those are used as the page takes. Its own are ``kwargs``.

    Raises:
        NoReverseMatch: the site has no such page, or it takes other parameters.
    """
    match: Any = getattr(request, "resolver_match", None)
    if match is None:
        return reverse(name, kwargs=kwargs)
    own = {*match.captured_kwargs, *match.extra_kwargs}
    mount = [(key, value) for key, value in match.kwargs.items() if key not in own]
    for count in range(len(mount), 0, -1):
        for some in combinations(mount, count):
            with suppress(NoReverseMatch):
                found = {**dict(some), **kwargs}
                return reverse(name, kwargs=found, current_app=match.namespace)
    return reverse(name, kwargs=kwargs, current_app=match.namespace)


def has_page(name: str) -> bool:
    """Whether the site has a URL of that name, whatever parameters it takes."""
    resolver = get_resolver()
    *namespaces, last = name.split(":")
    for namespace in namespaces:
        instances = resolver.app_dict.get(namespace, [namespace])
        if instances[0] not in resolver.namespace_dict:
            return False
        resolver = resolver.namespace_dict[instances[0]][1]
    return last in resolver.reverse_dict
