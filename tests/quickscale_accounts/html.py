"""Look into a page's HTML."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from django.http import HttpResponse

Attrs = dict[str, str | None]


class Page(HTMLParser):
    """The elements of a page in order, as ``(tag, attributes)``."""

    def __init__(self, response: HttpResponse) -> None:
        super().__init__()
        self.elements: list[tuple[str, Attrs]] = []
        self.feed(response.content.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def find(self, tag: str, **wanted: str) -> list[Attrs]:
        return [
            attrs
            for name, attrs in self.elements
            if name == tag and all(attrs.get(key) == value for key, value in wanted.items())
        ]

    def ids(self) -> list[str]:
        return [attrs["id"] or "" for _, attrs in self.elements if "id" in attrs]

    def inline_code(self) -> list[tuple[str, Attrs]]:
        """Return the inline scripts and styles, which a strict Content-Security-Policy forbids."""
        return [
            (tag, attrs)
            for tag, attrs in self.elements
            if tag == "style"
            or "style" in attrs
            or any(re.fullmatch(r"on[a-z]+", name) for name in attrs)
            or (tag == "script" and "src" not in attrs and attrs.get("type") != "application/json")
        ]

    def fields_without_label(self) -> list[Attrs]:
        labelled = {label.get("for") for label in self.find("label")}
        return [
            attrs
            for tag, attrs in self.elements
            if tag in {"input", "select", "textarea"}
            and attrs.get("type") not in {"hidden", "submit"}
            and attrs.get("id") not in labelled
            and not attrs.get("aria-label")
        ]

    def dangling_references(self) -> list[str]:
        """Return the ids that ``aria-describedby`` names and the page lacks."""
        return [
            id_
            for _, attrs in self.elements
            for id_ in (attrs.get("aria-describedby") or "").split()
            if id_ not in self.ids()
        ]


def assert_sound(response: HttpResponse) -> Page:
    """Check for one heading, labelled fields and no inline code; return the page."""
    page = Page(response)
    assert len(page.find("h1")) == 1
    assert page.inline_code() == []
    assert page.fields_without_label() == []
    assert page.dangling_references() == []
    assert len(page.ids()) == len(set(page.ids()))
    return page
