from __future__ import annotations

from contextlib import suppress

from django.http import HttpRequest, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.template import TemplateDoesNotExist
from django.template.loader import render_to_string
from django.utils.deprecation import MiddlewareMixin

from quickscale.csp import is_ours
from quickscale.internal.fragments import wants_fragment
from quickscale.login import LoginRedirectMiddleware

__all__ = [
    "LoginRedirectMiddleware",
    "MethodNotAllowedMiddleware",
    "PermissionsPolicyMiddleware",
]

UNUSED = ("camera", "display-capture", "geolocation", "microphone", "usb")


class MethodNotAllowedMiddleware(MiddlewareMixin):
    """Render the site's template ``405.html`` where Django sends an empty page.

    Django has handlers for 400, 403, 404 and 500, but none for a URL that does not allow GET.
    """

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        if not isinstance(response, HttpResponseNotAllowed) or response.content:
            return response
        if request.accepts("text/html") and not wants_fragment(request):
            with suppress(TemplateDoesNotExist):
                response.content = render_to_string("405.html", request=request)
        return response


class PermissionsPolicyMiddleware(MiddlewareMixin):
    """Forbid our pages, and what they contain, to use the camera, the location and the like.

    The site's own pages may use them. A header that a view has set is kept.
    """

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        if is_ours(request):
            policy = ", ".join(f"{feature}=()" for feature in UNUSED)
            response.headers.setdefault("Permissions-Policy", policy)
        return response
