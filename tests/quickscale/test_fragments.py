from __future__ import annotations

import pytest
from django.http import HttpResponse
from django.views.generic import TemplateView

from quickscale.internal.fragments import FragmentMixin


class Page(FragmentMixin, TemplateView):
    template_name = "page.html"
    fragment_name = "_fragment.html"


class Redirecting(FragmentMixin, TemplateView):
    def get(self, request, *args, **kwargs):
        return HttpResponse(status=204)


@pytest.mark.parametrize(
    ("headers", "template"),
    [
        ({}, "page.html"),
        ({"HX-Request": "true"}, "_fragment.html"),
        ({"HX-Request": "true", "HX-Boosted": "true"}, "page.html"),
        ({"HX-Request": "true", "HX-History-Restore-Request": "true"}, "page.html"),
    ],
)
def test_page_or_fragment(rf, headers, template):
    response = Page.as_view()(rf.get("/", headers=headers))
    assert response.template_name == [template]
    assert response["Vary"] == "HX-Request"


def test_any_response_of_the_view_varies(rf):
    assert Redirecting.as_view()(rf.get("/"))["Vary"] == "HX-Request"
