from __future__ import annotations

from django.apps import apps

from quickscale_credits.metering import metered

if apps.is_installed("wagtail"):
    from wagtail.models import Page

    class PaidPage(Page):
        template = "search/search.html"  # any template of the site

        @metered("report")
        def serve(self, request, *args, **kwargs):
            return super().serve(request, *args, **kwargs)
