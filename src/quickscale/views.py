from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response, patch_cache_control
from django.utils.decorators import method_decorator
from django.views.generic import View

from quickscale.internal.brand_styles import style_sheet

YEAR = 365 * 24 * 60 * 60


@method_decorator(login_not_required, name="dispatch")
class BrandStylesView(View):
    """The brand's colours and font as a style sheet.

    Browsers keep the version that a page names for a year, and ask about any other each time.
    """

    sheet = "pages"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse | None:
        text, version = style_sheet(self.sheet)
        etag = f'"{version}"'
        response = HttpResponse(text, content_type="text/css; charset=utf-8")
        response["ETag"] = etag
        if request.GET.get("v") == version:
            patch_cache_control(response, public=True, max_age=YEAR, immutable=True)
        else:
            patch_cache_control(response, no_cache=True)
        return get_conditional_response(request, etag=etag, response=response)
