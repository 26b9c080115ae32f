"""What the documentation says of Stripe is what the code does."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
from django.core.management import load_command_class

from quickscale_stripe.handlers import HANDLERS

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
COMMANDS = ROOT / "src" / "quickscale_stripe" / "management" / "commands"


def test_the_event_matrix_is_what_the_app_handles() -> None:
    text = (DOCS / "stripe-webhooks.md").read_text()
    matrix = text.partition("## Which event does what")[2]
    listed: list[str] = []
    for row in re.findall(r"^\| (`.*)$", matrix, re.MULTILINE):
        listed += re.findall(r"`([a-z_.]+)`", row.partition(" | ")[0])
    assert sorted(listed) == sorted(HANDLERS)


@pytest.mark.parametrize("page", sorted(DOCS.glob("stripe*.md")), ids=lambda page: page.stem)
def test_commands_that_a_page_names_exist_with_their_options(page: Path) -> None:
    own = {path.stem for path in COMMANDS.glob("[a-z]*.py")}
    for name, rest in re.findall(r"manage\.py (\w+)([^`\n]*)", page.read_text()):
        if name not in own:
            continue
        parser = load_command_class("quickscale_stripe", name).create_parser("manage.py", name)
        options = {option for action in parser._actions for option in action.option_strings}
        assert set(re.findall(r"--[\w-]+", rest)) <= options, f"{name}{rest}"


def sequences() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sequences", DOCS / "sequences.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_events_that_the_stories_name_are_handled() -> None:
    text = (DOCS / "stripe-stories.md").read_text()
    families = r"(?:checkout|customer|invoice|charge|refund|payment_method)\.[a-z_.]*[a-z_]"
    named = set(re.findall(rf"(?<![\w/]){families}", text)) - {"invoices.create_preview"}
    assert len(named) > 15
    assert named <= set(HANDLERS)


def test_a_diagram_says_its_messages_to_who_cannot_see_it() -> None:
    messages = [
        {"source": "Buyer", "target": "Site", "text": "a <b>"},
        {"source": None, "target": "Site", "text": "thinks"},
        {"source": "Site", "target": "Buyer", "text": "answers"},
    ]
    svg = sequences().draw("Talk", messages)
    assert "<title>Talk</title>" in svg
    assert "Buyer to Site: a &lt;b&gt;; Site: thinks; Site to Buyer: answers" in svg
    assert svg.count("<rect") == 3
    assert "<script" not in svg
