"""The sandbox within the site."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from quickscale_stripe_sandbox.internal.http import respond
from quickscale_stripe_sandbox.site import get_sandbox


@method_decorator([csrf_exempt, login_not_required, transaction.non_atomic_requests], "dispatch")
class SandboxView(View):
    """Passes every request to the sandbox, which doesn't use the site's session or transactions."""

    def dispatch(self, request: HttpRequest, target: str) -> HttpResponse:
        prefix = request.path.removesuffix(f"/{target}")
        query = request.META.get("QUERY_STRING", "")
        answer = respond(
            get_sandbox(),
            request.method or "GET",
            f"/{target}?{query}" if query else f"/{target}",
            request.headers,
            request.body,
            base_url=request.build_absolute_uri(prefix),
        )
        return HttpResponse(answer.body, status=answer.status, headers=answer.headers)
