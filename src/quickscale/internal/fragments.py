"""Serve a page and the fragment that HTMX swaps into it from one URL."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers
from django.views.generic.base import TemplateResponseMixin, View


def wants_fragment(request: HttpRequest) -> bool:
    """Return whether HTMX asks for a part of a page instead of a whole page."""
    headers = request.headers
    return (
        headers.get("HX-Request") == "true"
        and headers.get("HX-Boosted") != "true"
        and headers.get("HX-History-Restore-Request") != "true"
    )


class FragmentMixin(TemplateResponseMixin, View):
    """Render ``fragment_name`` for an HTMX request and ``template_name`` for any other."""

    fragment_name: str

    def get_template_names(self) -> list[str]:
        if wants_fragment(self.request):
            return [self.fragment_name]
        return super().get_template_names()

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = super().dispatch(request, *args, **kwargs)
        patch_vary_headers(response, ["HX-Request"])
        return response
