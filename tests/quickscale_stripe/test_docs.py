"""What the documentation says about Stripe is what the code does."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from django.core.management import load_command_class

from quickscale_stripe.conf import MAILS
from quickscale_stripe.events.handlers import HANDLERS

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
DIAGRAM = re.compile(r"^!\[(.+)\]\((stripe-stories/.+)\)$", re.MULTILINE)
COMMANDS = ROOT / "src" / "quickscale_stripe" / "management" / "commands"


def test_the_event_matrix_is_what_the_app_handles() -> None:
    text = (DOCS / "reference" / "stripe-webhooks.md").read_text()
    matrix = text.partition("## Which event does what")[2]
    listed: list[str] = []
    for row in re.findall(r"^\| (`.*)$", matrix, re.MULTILINE):
        listed += re.findall(r"`([a-z_.]+)`", row.partition(" | ")[0])
    assert sorted(listed) == sorted(HANDLERS)


def test_the_mails_are_those_that_the_app_sends() -> None:
    text = (DOCS / "reference" / "stripe-mails.md").read_text()
    assert sorted(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) == sorted(MAILS)


@pytest.mark.parametrize("page", sorted(DOCS.glob("*/stripe*.md")), ids=lambda page: page.stem)
def test_commands_that_a_page_names_exist_with_their_options(page: Path) -> None:
    own = {path.stem for path in COMMANDS.glob("[a-z]*.py")}
    for name, rest in re.findall(r"manage\.py (\w+)([^`\n]*)", page.read_text()):
        if name not in own:
            continue
        parser = load_command_class("quickscale_stripe", name).create_parser("manage.py", name)
        options = {option for action in parser._actions for option in action.option_strings}
        assert set(re.findall(r"--[\w-]+", rest)) <= options, f"{name}{rest}"


def test_events_that_the_stories_name_are_handled() -> None:
    text = (DOCS / "explanation" / "stripe-stories.md").read_text()
    families = r"(?:checkout|customer|invoice|charge|refund|payment_method)\.[a-z_.]*[a-z_]"
    named = set(re.findall(rf"(?<![\w/]){families}", text)) - {"invoices.create_preview"}
    assert len(named) > 15
    assert named <= set(HANDLERS)


def test_diagrams_show_the_steps_of_their_alternative_texts() -> None:
    found = DIAGRAM.findall((DOCS / "explanation" / "stripe-stories.md").read_text())
    assert len(found) == len(list((DOCS / "explanation" / "stripe-stories").iterdir()))
    for alternative, name in found:
        svg = ElementTree.parse(DOCS / "explanation" / name).getroot()
        shown = " ".join(span.text or "" for span in svg.iter("{http://www.w3.org/2000/svg}tspan"))
        steps = re.split(r"(?:^|; )(?:\w+ to )?[A-Z]\w+: ", alternative)
        assert shown == " ".join(steps[1:])
