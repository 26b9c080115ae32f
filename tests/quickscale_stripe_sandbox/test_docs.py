"""What the documentation says about the sandbox's pages is what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from quickscale_stripe_sandbox.internal.methods import METHODS
from quickscale_stripe_sandbox.pages import control

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "stripe-sandbox.md"


def rows(heading: str) -> list[list[str]]:
    """The cells of each row in the table below a heading, without the table's head."""
    section = PAGE.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = re.findall(r"^\| (.+) \|$", section, re.MULTILINE)
    return [line.split(" | ") for line in lines[1:]]


def test_the_payment_methods_are_those_of_the_page() -> None:
    listed = [(label, name.strip("`")) for label, name, _what in rows("Payment methods")]
    assert listed == [(method.label, method.name) for method in METHODS]


def test_the_actions_are_those_of_the_control_page() -> None:
    listed = [name.strip("`") for name, _body, _what in rows("The control page")]
    assert sorted(listed) == sorted(control._ACTIONS)
