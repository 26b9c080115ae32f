"""Leave out of Bulma what hardly any page uses. ``scripts/vendor.py`` calls this.

Classes of the families in ``RARE`` are left out unless a template of ours has them, and then the
variables that no rule needs any more. The rest stays for the pages of sites.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

RARE = re.compile(
    r"""
    has-text-.+-(\d\d|100)(-invert)?  # shades of colours
    | has-text-.+-(light|dark|soft|bold|on-scheme|invert)
    | .+-(touch|tablet-only|desktop-only|until-.+|widescreen(-only)?|fullhd)  # most viewports
    | has-background-.+ | has-radius-.+ | is-palette-.+
    | (fixed-)?grid | cell | is-(col|row)-.+ | has-\d+-cols.* | is-(column-|row-)?gap-.+
    | hero(-.+)? | panel(-.+)? | file(-.+)? | dropdown(-.+)? | modal(-.+)?
    | skeleton-.+ | (is|has)-skeleton | is-aspect-ratio-.+
    """,
    re.VERBOSE,
)
Rule = tuple[str, "list[Rule] | list[str]"]


def subset(css: str, templates: Iterable[Path], style_sheets: Iterable[Path]) -> str:
    """Return Bulma without the rare classes that the templates don't have.

    Variables stay if a rule that stays, or one of the style sheets, reads them.
    """
    used = {name for path in templates for name in classes(path.read_text())}
    licence = re.search(r"/\*!.*?\*/", css)
    css = re.sub(r'@charset "UTF-8";|/\*.*?\*/', "", css, flags=re.DOTALL)
    rules = list(parse(css, lambda name: name in used or not RARE.fullmatch(name)))
    needed = {name for path in style_sheets for name in variables(path.read_text())}
    values = list(declarations(rules))
    while (
        found := {
            name
            for declared, value in values
            if not declared.startswith("--") or declared in needed
            for name in variables(value)
        }
        - needed
    ):
        needed |= found
    return (licence[0] if licence else "") + "".join(write(rules, needed))


def classes(template: str) -> Iterator[str]:
    """Yield the names in the class attributes of a template."""
    html = re.sub(r"\{%.*?%\}", " ", template)
    for value in re.findall(r'class="([^"]*)"', html):
        yield from value.split()


def variables(text: str) -> list[str]:
    return re.findall(r"var\((--[\w-]+)", text)


def parse(css: str, stays: Callable[[str], bool]) -> Iterator[Rule]:
    """Yield the rules with the selectors that stay, each with its declarations or rules."""
    for head, body in blocks(css):
        if head.startswith("@keyframes"):
            yield head, [body]
        elif head.startswith("@"):
            if inner := list(parse(body, stays)):
                yield head, inner
        else:
            named = [
                selector
                for selector in split(head)
                if all(map(stays, re.findall(r"\.([A-Za-z_][\w-]*)", without_not(selector))))
            ]
            if named:
                yield ",".join(named), body.split(";")


def blocks(css: str) -> Iterator[tuple[str, str]]:
    start = 0
    while (opening := css.find("{", start)) >= 0:
        depth, end = 1, opening + 1
        while depth:
            depth += {"{": 1, "}": -1}.get(css[end], 0)
            end += 1
        yield css[start:opening].strip(), css[opening + 1 : end - 1]
        start = end


def split(selectors: str) -> list[str]:
    """Split a list of selectors at the commas outside parentheses."""
    return re.split(r",(?![^(]*\))", selectors)


def without_not(selector: str) -> str:
    return re.sub(r":not\([^)]*\)", "", selector)


def declarations(rules: Iterable[Rule]) -> Iterator[tuple[str, str]]:
    for head, body in rules:
        for part in body:
            if isinstance(part, tuple):
                yield from declarations([part])
            elif head.startswith("@"):
                yield "", part
            else:
                name, _, value = part.partition(":")
                yield name, value


def write(rules: Iterable[Rule], needed: set[str]) -> Iterator[str]:
    for head, body in rules:
        if isinstance(body[0], tuple):
            inner = "".join(write(body, needed))  # type: ignore[arg-type]
        elif head.startswith("@"):
            inner = body[0]
        else:
            lines = [str(line) for line in body]
            inner = ";".join(
                line
                for line in lines
                if not line.startswith("--") or line.partition(":")[0] in needed
            )
        if inner:
            yield f"{head}{{{inner}}}"
