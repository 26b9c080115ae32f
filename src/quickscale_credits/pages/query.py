"""URLs without the empty fields of a form that was sent."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.views.generic.base import View


class CleanQueryMixin(View):
    """Redirect a URL with empty parameters to the same without them, as people would share it."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        filled = request.GET.copy()
        for name in [name for name, value in request.GET.items() if not value]:
            del filled[name]
        if request.method == "GET" and len(filled) < len(request.GET):
            return redirect(f"{request.path}?{filled.urlencode()}".removesuffix("?"))
        return super().dispatch(request, *args, **kwargs)
