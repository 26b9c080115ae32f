from __future__ import annotations

from wagtail.models import Page

from quickscale_credits.metering import metered


class PaidPage(Page):
    template = "pages/paid_page.html"

    @metered("shout")
    def serve(self, request, *args, **kwargs):
        return super().serve(request, *args, **kwargs)


class BrokenPage(PaidPage):
    template = "pages/does_not_exist.html"
