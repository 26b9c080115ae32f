"""The pages for requests to anything but the API."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias

from quickscale_stripe_sandbox.internal.errors import ApiError
from quickscale_stripe_sandbox.internal.responses import Request, SandboxResponse
from quickscale_stripe_sandbox.pages import control, render

if TYPE_CHECKING:
    from quickscale_stripe_sandbox.internal.engine import Sandbox

View: TypeAlias = "Callable[[Sandbox, Request, str], SandboxResponse]"

_MODULES = ("payment_pages", "portal_pages")
_views: list[tuple[re.Pattern[str], View]] = []


def at(pattern: str) -> Callable[[View], View]:
    """Register a page; the pattern's group is the id of the object that it shows."""

    def register(view: View) -> View:
        _views.append((re.compile(pattern), view))
        return view

    return register


def respond(sandbox: Sandbox, request: Request) -> SandboxResponse:
    if request.method not in {"GET", "HEAD", "POST"}:
        return SandboxResponse(405, {"Allow": "GET, HEAD, POST"})
    if request.method == "POST" and request.headers.get("sec-fetch-site") == "cross-site":
        return message(request, 403, "Not from here", "Another site sent this form.")
    if request.path.startswith("/_sandbox/"):
        return control.respond(sandbox, request)
    for module in _MODULES:
        import_module(f"quickscale_stripe_sandbox.pages.{module}")
    for pattern, view in _views:
        if found := pattern.fullmatch(request.path):
            try:
                return view(sandbox, request, found.group(1))
            except ApiError as error:
                return message(request, error.status, "This can't be shown", str(error))
            except ValueError as error:
                return message(request, 400, "This can't be done", str(error))
    return message(request, 404, "No such page", "The sandbox has no page at this address.")


def message(
    request: Request, status: int, heading: str, text: str, **context: Any
) -> SandboxResponse:
    """Return a page with one message.

    ``rows`` are pairs of label and value, and ``link`` is the next page.
    """
    return render.page(request, "message", status, heading=heading, text=text, **context)
