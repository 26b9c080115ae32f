"""Errors for programs: JSON problem details (RFC 9457) instead of pages."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, JsonResponse

from quickscale.internal.fragments import wants_fragment

HTML = {"text/html", "application/xhtml+xml"}


def wants_problem(request: HttpRequest) -> bool:
    """Return whether ``Accept`` comes from a program: it lacks HTML, or prefers JSON to it.

    Browsers accept HTML. A request without ``Accept`` gets a page, as elsewhere in Django.
    """
    if "Accept" not in request.headers or wants_fragment(request):
        return False
    accepted = {f"{media.main_type}/{media.sub_type}" for media in request.accepted_types}
    if accepted & HTML:
        preferred = request.get_preferred_type(["text/html", "application/json"])
        return preferred == "application/json"
    return True


def problem(status: int, code: str, detail: str, **members: Any) -> JsonResponse:
    """Return a response of type ``application/problem+json``.

    Args:
        code: a code for programs that says what went wrong; it never changes.
        detail: the same in words.
        members: more data; numbers of credits are text.
    """
    body = {"title": HTTPStatus(status).phrase, "status": status, "code": code, "detail": detail}
    return JsonResponse(body | members, status=status, content_type="application/problem+json")
