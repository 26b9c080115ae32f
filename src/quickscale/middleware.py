from __future__ import annotations

from contextlib import suppress

from django.http import HttpRequest, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.template import TemplateDoesNotExist
from django.template.loader import render_to_string
from django.utils.deprecation import MiddlewareMixin

from quickscale.internal.fragments import wants_fragment
from quickscale.login import LoginRedirectMiddleware

__all__ = ["LoginRedirectMiddleware", "MethodNotAllowedMiddleware"]


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
