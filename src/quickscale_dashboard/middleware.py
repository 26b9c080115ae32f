from __future__ import annotations

from collections.abc import Callable

from django.contrib.messages import get_messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string

from quickscale.internal.fragments import wants_fragment


class HtmxMessagesMiddleware:
    """Show Django's messages at once when HTMX swaps a fragment, with an out-of-band swap.

    Place it after ``MessageMiddleware``. Without it, and on pages outside the shell, the messages
    appear on the next full page.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        shows_messages = wants_fragment(request) and "X-Shows-Messages" in request.headers
        if shows_messages and _is_swapped(response) and len(get_messages(request)):
            context = {"messages": get_messages(request), "out_of_band": True}
            response.write(
                render_to_string("quickscale_dashboard/_messages.html", context, request)
            )
        return response


def _is_swapped(response: HttpResponseBase) -> bool:
    leaves_the_page = {"HX-Redirect", "HX-Refresh", "HX-Location"} & set(response.headers)
    return (
        isinstance(response, HttpResponse)
        and response.status_code == 200
        and response.get("Content-Type", "").startswith("text/html")
        and not leaves_the_page
    )
