"""Lets HTMX send the account forms, which it could not do alone: it follows redirects unseen."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin

PAGE_ID = "account-page"


class HtmxFormsMiddleware(MiddlewareMixin):
    """Put it last in ``MIDDLEWARE``; without it the forms are plain forms.

    A form that HTMX sent shows its errors in place. Where a plain form would be redirected, the
    browser is told to load that page in full, because it may need other assets, and because
    messages for the reader would be lost in a page that is fetched but not shown.
    """

    def process_request(self, request: HttpRequest) -> None:
        request.account_page_id = PAGE_ID  # type: ignore[attr-defined]

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        if request.headers.get("HX-Target") != PAGE_ID or "Location" not in response:
            return response
        answer = HttpResponse(headers={"HX-Redirect": response["Location"]})
        answer.cookies = response.cookies
        return answer
