"""Let HTMX send the account forms, although it follows redirects silently."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin

PAGE_ID = "account-page"


class HtmxFormsMiddleware(MiddlewareMixin):
    """Let HTMX send the forms; place it last in ``MIDDLEWARE``. Without it, they are plain forms.

    A form that HTMX sent shows its errors in place. Where a plain form would be redirected, the
    browser is told to load the page in full, because the page may need other assets, and because
    messages would be lost in a page that is fetched but not shown.
    """

    def process_request(self, request: HttpRequest) -> None:
        request.account_page_id = PAGE_ID  # type: ignore[attr-defined]

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        if request.headers.get("HX-Target") != PAGE_ID or "Location" not in response:
            return response
        answer = HttpResponse(headers={"HX-Redirect": response["Location"]})
        answer.cookies = response.cookies
        return answer
