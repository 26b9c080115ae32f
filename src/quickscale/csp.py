"""A Content-Security-Policy for the pages of our apps only, whatever the site's own pages have."""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

from quickscale.conf import app_settings

HEADER = "Content-Security-Policy"
OURS = ("quickscale", "allauth")


class PagePolicyMiddleware(MiddlewareMixin):
    """Send ``QUICKSCALE_CONTENT_SECURITY_POLICY`` with the pages of our apps and of allauth.

    Place it last in ``MIDDLEWARE``. It keeps a policy that a view has set, and django-csp or
    Django's own middleware, which come before it, keep the policy that it has set.
    """

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        if is_ours(request):
            response.headers.setdefault(HEADER, policy())
        return response


def is_ours(request: HttpRequest) -> bool:
    """Return whether a page of our apps or of allauth answers the request."""
    match = request.resolver_match
    return match is not None and match.func.__module__.split(".")[0].split("_")[0] in OURS


def policy() -> str:
    """Return the setting's policy in the form of the header."""
    directives = app_settings.content_security_policy.items()
    return "; ".join(" ".join([name, *sources]) for name, sources in directives)
