"""After a session ends, let people sign in again and return to the page they were on.

Django sends them back to the URL that was refused. If HTMX requested that URL or a form was sent to
it, it is not a page: they would get a fragment or "405 Method Not Allowed". HTMX also follows
redirects silently, so the sign-in page would appear inside the current page.

The views of our apps use :class:`LoginRequiredMixin`. :class:`LoginRedirectMiddleware` does the
same for a site's own views, however they require a login.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import REDIRECT_FIELD_NAME, mixins, views
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import resolve_url
from django.utils.deprecation import MiddlewareMixin
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.generic import View

from quickscale.internal.fragments import wants_fragment
from quickscale.owner import owner_of_page

SAFE_METHODS = ("GET", "HEAD", "OPTIONS", "TRACE")


def redirect_to_login(request: HttpRequest) -> HttpResponse:
    """Redirect a visitor to ``LOGIN_URL``, which then leads back to the page on the screen."""
    return _lead_back(request, views.redirect_to_login(request.get_full_path()))


class LoginRequiredMixin(mixins.LoginRequiredMixin):
    """Django's mixin, but with the redirect of :func:`redirect_to_login`."""

    request: HttpRequest

    def handle_no_permission(self) -> HttpResponseRedirect:
        response = super().handle_no_permission()
        return _lead_back(self.request, response)  # type: ignore[return-value]


class OwnerRequiredMixin(LoginRequiredMixin, View):
    """Set ``owner``, for whom the request acts; a user who acts for nobody gets a 403."""

    owner: Any

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.user.is_authenticated:
            self.owner = owner_of_page(request)
            if self.owner is None:
                raise PermissionDenied(_("You have no access to an account here."))
        return super().dispatch(request, *args, **kwargs)


class LoginRedirectMiddleware(MiddlewareMixin):
    """Make redirects to the sign-in behave like :func:`~quickscale.login.redirect_to_login`.

    Place it after ``AuthenticationMiddleware``.
    """

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        if isinstance(response, HttpResponseRedirect):
            return _lead_back(request, response)
        return response


def page_of(request: HttpRequest) -> str:
    """Return the path of the page on the screen that sent the request, or an empty string.

    HTMX sends it in a header. For a form, the browser sends it as ``Referer``; without one, the
    form's own URL is used. It is never a URL of another site.
    """
    if wants_fragment(request):
        page = request.headers.get("HX-Current-URL", "")
    elif request.method in SAFE_METHODS or "Referer" not in request.headers:
        return request.get_full_path()
    else:
        page = request.headers["Referer"]
    if not url_has_allowed_host_and_scheme(page, {request.get_host()}, request.is_secure()):
        return ""
    return urlsplit(page)._replace(scheme="", netloc="", fragment="").geturl()


def _lead_back(request: HttpRequest, response: HttpResponseRedirect) -> HttpResponse:
    """Change a redirect to the login; return any other response unchanged."""
    target = urlsplit(response.url)
    query = QueryDict(target.query, mutable=True)
    back = query.get(REDIRECT_FIELD_NAME)
    comes_back = back in (request.get_full_path(), request.build_absolute_uri())
    by_htmx = wants_fragment(request)
    has_session = hasattr(request, "user") and request.user.is_authenticated
    if comes_back and (by_htmx or not has_session):
        del query[REDIRECT_FIELD_NAME]
        if page := page_of(request):
            query[REDIRECT_FIELD_NAME] = page
        target = target._replace(query=query.urlencode(safe="/"))
        response["Location"] = target.geturl()
    if not by_htmx or not (comes_back or target.path == resolve_url(settings.LOGIN_URL)):
        return response
    answer = HttpResponse(status=204, headers={"HX-Redirect": response["Location"]})
    answer.cookies = response.cookies
    if not has_session:
        answer["HX-Trigger"] = "session-ended"
    return answer
