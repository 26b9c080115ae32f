"""Answers to a browser that more than one view gives."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.cache import patch_vary_headers

from quickscale.fragments import wants_fragment
from quickscale_credits.exceptions import InsufficientCreditsError

BALANCE_CHANGED = "balance-changed"


def announce_change(response: HttpResponseBase) -> None:
    """Let HTMX raise ``balance-changed`` in the page, on which balances refresh themselves."""
    response.headers.setdefault("HX-Trigger", BALANCE_CHANGED)


def insufficient_credits_response(
    request: HttpRequest, error: InsufficientCreditsError
) -> HttpResponse:
    """Status 402 with what is missing and where to buy: a page, or a fragment for HTMX."""
    template = "_insufficient.html" if wants_fragment(request) else "insufficient_credits.html"
    response = render(request, f"quickscale_credits/{template}", {"error": error}, status=402)
    patch_vary_headers(response, ["HX-Request"])
    return response
