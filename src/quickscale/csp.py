"""A Content-Security-Policy for the pages of our apps only, beside whatever the site's own have."""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

from quickscale.conf import app_settings

HEADER = "Content-Security-Policy"
OURS = ("quickscale", "allauth")


class PagePolicyMiddleware(MiddlewareMixin):
    """Sends ``QUICKSCALE_CONTENT_SECURITY_POLICY`` with the pages of our apps and of allauth.

    Place it last in ``MIDDLEWARE``: a policy that a view has set stays, and django-csp or Django's
    own middleware, which stand before it, leave what it has set.
    """

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        match = request.resolver_match
        if match and match.func.__module__.split(".")[0].split("_")[0] in OURS:
            response.headers.setdefault(HEADER, policy())
        return response


def policy() -> str:
    """The policy of the setting, as the header has it."""
    directives = app_settings.content_security_policy.items()
    return "; ".join(" ".join([name, *sources]) for name, sources in directives)
