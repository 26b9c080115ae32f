"""Rules for the HTML of every page: well formed, with landmarks, and without inline code."""

from __future__ import annotations

import re
from html.parser import HTMLParser

VOID = {
    *("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source"),
    *("track", "wbr"),
}
UNIQUE = ("html", "head", "title", "body", "main", "h1")


class Page(HTMLParser):
    """Reads a page and collects its faults in ``problems``."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.problems: list[str] = []
        self.counts: dict[str, int] = {}
        self.ids: set[str] = set()
        self.scripts: set[str] = set()
        self.references: set[str] = set()
        self.lang = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if "svg" not in self._open:  # A drawing has a title of its own.
            self.counts[tag] = self.counts.get(tag, 0) + 1
        values = {name: value or "" for name, value in attributes}
        if len(values) < len(attributes):
            self._problem(f"<{tag}> repeats an attribute")
        if tag == "html":
            self.lang = values.get("lang", "")
        if tag == "style" or (tag == "script" and "src" not in values):
            self._problem(f"inline <{tag}>")
        if source := values.get("src") if tag == "script" else None:
            if source in self.scripts:
                self._problem(f"script {source!r} twice")
            self.scripts.add(source)
        if tag == "img" and "alt" not in values:
            self._problem("<img> without alt")
        for name, value in values.items():
            if name == "style" or name.startswith(("on", "hx-on")):
                self._problem(f"inline {name} on <{tag}>")
            if value.strip().startswith("javascript:"):
                self._problem(f"javascript: in {name} of <{tag}>")
        if identity := values.get("id"):
            if identity in self.ids:
                self._problem(f"id {identity!r} twice")
            self.ids.add(identity)
        for name in ("for", "aria-controls", "aria-labelledby", "aria-describedby"):
            self.references.update(values.get(name, "").split())
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open[-1] != tag:
            self._problem(f"</{tag}> closes <{self._open[-1] if self._open else 'nothing'}>")
        if tag in self._open:
            while self._open.pop() != tag:
                pass

    def close(self) -> None:
        super().close()
        if self._open:
            self._problem(f"never closed: {', '.join(self._open)}")
        if missing := self.references - self.ids:
            self._problem(f"refers to ids that are not there: {', '.join(sorted(missing))}")

    def _problem(self, text: str) -> None:
        line, column = self.getpos()
        self.problems.append(f"line {line}, column {column}: {text}")


def flat(html: str) -> str:
    """Return the text with each run of white space as one space."""
    return " ".join(html.split())


def words(html: str) -> str:
    """Return the text without the elements that isolate numbers and times."""
    return re.sub(r"</?(bdi|time)\b[^>]*>", "", html)


def problems_of_fragment(html: str) -> list[str]:
    """Return the faults of a part of a page, such as inline code or unbalanced tags."""
    return Page(html).problems


def problems_of_page(html: str) -> list[str]:
    """Return a page's faults, also those of language, title, main landmark and first heading."""
    page = Page(html)
    problems = list(page.problems)
    if not page.lang:
        problems.append("<html> without lang")
    problems += [
        f"{page.counts.get(tag, 0)} times <{tag}>" for tag in UNIQUE if page.counts.get(tag) != 1
    ]
    return problems
