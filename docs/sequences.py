"""A directive for sequence diagrams, drawn as SVG when the documentation is built.

Each line is a message (``Buyer -> Site: chooses a package``) or what somebody does for
themselves (``Site: credits, once``). Lanes are always in the same order.
"""

from __future__ import annotations

import re
from html import escape
from textwrap import wrap
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive

LANE, STEP, LINE, TOP = 240, 20, 17, 56
COLUMNS = 31
ORDER = ["Staff", "Buyer", "Site", "Stripe", "Bank"]
MESSAGE = re.compile(r"(?:(?P<source>[^:>]+?) -> )?(?P<target>[^:>]+): (?P<text>.+)")


class Sequence(Directive):
    """``{sequence} title`` with one message in each line of its content."""

    required_arguments = 1
    final_argument_whitespace = True
    has_content = True

    def run(self) -> list[nodes.Node]:
        messages = []
        for line in filter(None, self.content):
            found = MESSAGE.fullmatch(line)
            if found is None:
                raise self.error(f"No message: {line}")
            messages.append(found.groupdict())
        svg = draw(self.arguments[0], messages)
        box = '<div role="region" aria-label="Diagram" tabindex="0" style="overflow-x: auto">'
        return [nodes.raw("", f"{box}{svg}</div>", format="html")]


def draw(title: str, messages: list[dict[str, Any]]) -> str:
    present = {name for message in messages for name in (message["source"], message["target"])}
    names = [name for name in ORDER if name in present]
    parts, y = [], TOP
    for message in messages:
        shape, height = _message(message, names, y)
        parts.append(shape)
        y += height
    lanes = "".join(_lane(name, index, y) for index, name in enumerate(names))
    spoken = "; ".join(
        f"{message['source']} to {message['target']}: {message['text']}"
        if message["source"]
        else f"{message['target']}: {message['text']}"
        for message in messages
    )
    return (
        f'<svg viewBox="0 0 {LANE * len(names)} {y + 12}" role="img" width="{LANE * len(names)}"'
        ' style="min-width: 34rem; max-width: 100%; height: auto" fill="currentColor"'
        ' font-size="13" font-family="inherit">'
        f"<title>{escape(title)}</title><desc>{escape(spoken)}</desc>"
        f"{lanes}{''.join(parts)}</svg>"
    )


def _middle(index: int) -> int:
    return LANE * index + LANE // 2


def _lane(name: str, index: int, bottom: int) -> str:
    x = _middle(index)
    return (
        f'<line x1="{x}" y1="34" x2="{x}" y2="{bottom}" stroke="currentColor" opacity=".3"/>'
        f'<rect x="{x - 62}" y="4" width="124" height="30" rx="6" fill="none"'
        f' stroke="currentColor"/><text x="{x}" y="24" text-anchor="middle"'
        f' font-weight="600">{escape(name)}</text>'
    )


def _message(message: dict[str, Any], names: list[str], y: int) -> tuple[str, int]:
    end = _middle(names.index(message["target"]))
    if message["source"] is None:
        lines = _wrapped(message["text"], COLUMNS)
        height = LINE * len(lines) + 10
        box = (
            f'<rect x="{end - 112}" y="{y}" width="224" height="{height}" rx="4"'
            ' fill="var(--color-background-secondary, #f4f6fa)" stroke="currentColor"'
            ' stroke-opacity=".3"/>'
        )
        return box + _text(lines, end, y + LINE), height + STEP
    start = _middle(names.index(message["source"]))
    span = abs(names.index(message["source"]) - names.index(message["target"]))
    lines = _wrapped(message["text"], COLUMNS * span)
    arrow = y + LINE * len(lines) + 3
    tip = 7 if end > start else -7
    line = (
        f'<line x1="{start}" y1="{arrow}" x2="{end - tip}" y2="{arrow}" stroke="currentColor"/>'
        f'<path d="M{end} {arrow}l{-tip} -4v8z"/>'
    )
    return _text(lines, (start + end) // 2, y + 10) + line, arrow - y + STEP


def _wrapped(text: str, columns: int) -> list[str]:
    return wrap(text, columns, break_long_words=False, break_on_hyphens=False)


def _text(lines: list[str], x: int, y: int) -> str:
    spans = "".join(
        f'<tspan x="{x}" y="{y + LINE * number}">{escape(line)}</tspan>'
        for number, line in enumerate(lines)
    )
    return f'<text text-anchor="middle">{spans}</text>'


def setup(app: Any) -> dict[str, bool]:
    app.add_directive("sequence", Sequence)
    return {"parallel_read_safe": True}
