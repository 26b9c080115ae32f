"""Responses that several views share."""

from __future__ import annotations

from decimal import Decimal

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.template import TemplateDoesNotExist
from django.utils.cache import patch_vary_headers

from quickscale.internal.fragments import wants_fragment
from quickscale.internal.problems import problem, wants_problem
from quickscale.links import find_page_url
from quickscale.owner import get_owner
from quickscale_credits import shop
from quickscale_credits.conf import app_settings
from quickscale_credits.exceptions import (
    AccountFrozenError,
    CreditsError,
    InactiveServiceError,
    InsufficientCreditsError,
)

BALANCE_CHANGED = "balance-changed"


def announce_change(response: HttpResponseBase) -> None:
    """Make HTMX trigger ``balance-changed`` in the page, which refreshes the balances shown."""
    if "json" not in response.headers.get("Content-Type", ""):
        response.headers.setdefault("HX-Trigger", BALANCE_CHANGED)


def credits_buy_url(request: HttpRequest | None) -> str:
    """Return the URL where credits can be bought, or an empty string if the site sells none."""
    target = app_settings.buy_url
    if not target or target.startswith(("/", "http://", "https://")):
        return target
    return find_page_url(request, target)


def cheapest_purchase(request: HttpRequest | None, needed: Decimal) -> shop.Purchase | None:
    """Return the cheapest purchase that brings as many credits, if the site's shop has one.

    A site with a ``QUICKSCALE_CREDITS_BUY_URL`` of its own sells there.
    """
    owner = get_owner(request) if request else None
    if request is None or owner is None or app_settings.buy_url != shop.buy_url():
        return None
    return shop.cheapest_purchase(request=request, owner=owner, needed=needed)


def refused_response(request: HttpRequest, error: CreditsError) -> HttpResponseBase:
    """Return the response for a metered view that can't be charged; the view has not run.

    The status is 402 with what is missing and where to buy it, 403 if the account is frozen or
    closed, 404 if the service is switched off, or 409 if work with the same key is in progress.
    Programs get problem details, and browsers get a page. A site can replace this function with
    ``QUICKSCALE_CREDITS_REFUSED_RESPONSE``.
    """
    if wants_problem(request):
        response = _refused_problem(request, error)
    elif isinstance(error, InsufficientCreditsError):
        response = insufficient_credits_response(request, error)
    elif isinstance(error, InactiveServiceError):
        raise Http404(str(error)) from error
    elif isinstance(error, AccountFrozenError):
        raise PermissionDenied(str(error)) from error
    else:
        response = HttpResponse(str(error), status=409, content_type="text/plain")
    patch_vary_headers(response, ["Accept", "HX-Request"])
    return response


def insufficient_credits_response(
    request: HttpRequest, error: InsufficientCreditsError
) -> HttpResponse:
    """Return status 402 with what is missing and where to buy: a page, or a fragment for HTMX.

    A site without the template's base gets plain text.
    """
    template = "_insufficient.html" if wants_fragment(request) else "insufficient_credits.html"
    try:
        response = render(request, f"quickscale_credits/{template}", {"error": error}, status=402)
    except TemplateDoesNotExist:
        response = HttpResponse(str(error), status=402, content_type="text/plain")
    patch_vary_headers(response, ["HX-Request"])
    return response


def _refused_problem(request: HttpRequest, error: CreditsError) -> HttpResponse:
    detail = str(error)
    if isinstance(error, InsufficientCreditsError):
        where = credits_buy_url(request)
        return problem(
            402,
            "insufficient_credits",
            detail,
            required=f"{error.required:f}",
            available=f"{error.available:f}",
            shortfall=f"{error.shortfall:f}",
            buy_url=request.build_absolute_uri(where) if where else None,
        )
    if isinstance(error, InactiveServiceError):
        return problem(404, "service_inactive", detail, service=error.code)
    if isinstance(error, AccountFrozenError):
        return problem(403, f"account_{error.status}", detail)
    return problem(409, "in_progress", detail)
