"""Find the ways into a site that bypass allauth: mounted sign-in forms of Django itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.views import LoginView
from django.test import RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver


class _Customer(AnonymousUser):
    """A signed-in user who isn't staff, without a row in the database."""

    is_authenticated = True  # type: ignore[assignment]


def unguarded_logins() -> list[str]:
    """Return the paths of mounted sign-in forms without rate limits and two-factor authentication.

    An admin site is judged by its URLs. Setting ``admin.site.login`` after ``admin.site.urls`` was
    read has no effect.
    """
    return sorted(set(_walk(get_resolver(), "/", in_admin=False)))


def _walk(resolver: URLResolver, above: str, *, in_admin: bool) -> Iterator[str]:
    for entry in resolver.url_patterns:
        path = above + str(entry.pattern).removeprefix("^")
        if isinstance(entry, URLResolver):
            yield from _walk(entry, path, in_admin=entry.app_name == "admin")
        elif _is_django_login(entry) or (
            in_admin and entry.name == "login" and _shows_a_form(entry.callback)
        ):
            yield path


def _is_django_login(entry: URLPattern) -> bool:
    view = getattr(entry.callback, "view_class", None)
    return isinstance(view, type) and issubclass(view, LoginView)


def _shows_a_form(login: Callable[..., Any]) -> bool:
    """Return whether an admin site asks a visitor, or a user who isn't staff, for a password.

    ``login_required`` around it redirects visitors, but a signed-in user could sign in again as
    somebody else.
    """
    if getattr(login, "__func__", None) is AdminSite.login:
        return True
    for user in (AnonymousUser(), _Customer()):
        request = RequestFactory().get("/")
        request.user = user
        request.get_host = lambda: "localhost"  # type: ignore[method-assign]  # any is allowed here
        try:
            if login(request).status_code == 200:
                return True
        except Exception:  # noqa: S112  a site's own code, which may need more of a request
            continue
    return False
