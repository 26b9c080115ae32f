"""Add pages to a model's admin besides Django's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from quickscale.admin.base import Mixin


class PagesMixin(Mixin):
    """Add pages that extend ``admin/quickscale/base.html``."""

    def url(
        self, route: str, view: Callable[..., HttpResponse], name: str, **kwargs: Any
    ) -> URLPattern:
        """Return a URL pattern for staff; ``kwargs`` are passed to the view."""
        return path(route, self.admin_site.admin_view(view), kwargs, name=self._full_name(name))

    def page(
        self,
        request: HttpRequest,
        template: str,
        *,
        title: Any,
        original: models.Model | None = None,
        **context: Any,
    ) -> TemplateResponse:
        """Render a page. ``original`` is the row that it is about, if there is one."""
        common = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": title,
            "original": original,
        }
        return TemplateResponse(request, template, {**common, **context})

    def page_url(self, name: str, *args: Any) -> str:
        """Return the URL of a page of this model: one of ours, ``changelist`` or ``change``."""
        return reverse(f"admin:{self._full_name(name)}", args=args)

    def to_page(self, name: str, *args: Any) -> HttpResponseRedirect:
        """Redirect to the page whose URL :meth:`page_url` returns."""
        return HttpResponseRedirect(self.page_url(name, *args))

    def _full_name(self, name: str) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_{name}"
