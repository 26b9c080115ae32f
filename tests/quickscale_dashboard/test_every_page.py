"""Each page of all apps in the test project is sound HTML without inline code."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.addresses import without_arguments
from tests.markup import problems_of_fragment, problems_of_page

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("path", sorted(set(without_arguments())))
def test_it_is_sound_html_without_anything_inline(
    client: Client, customer: Client, path: str
) -> None:
    for visitor in (client, customer):
        response = visitor.get(path)
        assert response.status_code < 500
        if response.status_code == 200 and response["Content-Type"].startswith("text/html"):
            assert problems_of_page(response.text) == []
            assert "unsafe" not in response["Content-Security-Policy"]
            fragment = visitor.get(path, headers={"HX-Request": "true"})
            if "<html" not in fragment.text:
                assert problems_of_fragment(fragment.text) == []
