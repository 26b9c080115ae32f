"""The documentation is complete: what the code declares has an entry."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
APPS = [
    "quickscale",
    "quickscale_accounts",
    "quickscale_credits",
    "quickscale_dashboard",
    "quickscale_stripe",
]
DOCS = "\n".join(page.read_text() for page in (ROOT / "docs").rglob("*.md"))


def declared_settings() -> list[tuple[str, property]]:
    found = []
    for app in APPS:
        declared = type(importlib.import_module(f"{app}.conf").app_settings)
        for name in declared.names():
            found.append((name, vars(declared)[name.removeprefix(declared.prefix).lower()]))
    return found


def check_ids() -> set[str]:
    ids = set()
    for source in (ROOT / "src").rglob("checks.py"):
        ids |= set(re.findall(r"quickscale(?:_\w+)?\.[EWI]\d{3}", source.read_text()))
    return ids


@pytest.mark.parametrize(("name", "setting"), declared_settings())
def test_a_setting_is_documented(name, setting):
    assert setting.__doc__
    assert f"`{name}`" in DOCS


@pytest.mark.parametrize("check_id", sorted(check_ids()))
def test_a_check_is_documented(check_id):
    assert f"`{check_id}`" in DOCS


def test_every_page_is_in_the_contents():
    index = (ROOT / "docs" / "index.md").read_text()
    pages = {
        str(page.relative_to(ROOT / "docs").with_suffix(""))
        for page in (ROOT / "docs").rglob("*.md")
        if "_build" not in page.parts
    }
    unlisted = {
        page
        for page in pages - {"index"}
        if page not in index and not page.startswith("decisions/")
    }
    assert unlisted == set()


def test_email_is_spelled_one_way():
    """As allauth, Django and Stripe do in what people read beside our texts."""
    sources = [*(ROOT / "src").rglob("*.py"), *(ROOT / "src").rglob("*.html")]
    other = re.compile("e-" + "mail", re.IGNORECASE)
    assert not [source for source in sources if other.search(source.read_text())]
