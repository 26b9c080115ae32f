from __future__ import annotations

from django.http import HttpRequest


def nobody(*, request: HttpRequest) -> bool:
    return False


def invited(*, request: HttpRequest) -> bool:
    return "invitation" in request.COOKIES
