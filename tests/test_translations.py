"""The catalogues are complete, and agree with the code and with what Django reads."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import polib
import pytest

import quickscale
from quickscale import project
from scripts.messages import apps, catalogues, find_messages

PACKAGES = Path(quickscale.__file__).parent.parent
ROOT = Path(__file__).resolve().parents[1]
CATALOGUES = sorted(PACKAGES.glob("quickscale*/locale/*/LC_MESSAGES/django.po"))
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%[sd]|\{\w*\}")


def name(path: Path) -> str:
    return "-".join([path.parents[3].name, path.parents[1].name])


def test_each_app_has_each_language_that_a_new_project_offers():
    apps = {path.parents[3].name for path in CATALOGUES}
    languages = {code for code in project.LANGUAGES if code != "en"}
    assert apps >= {"quickscale", "quickscale_accounts", "quickscale_credits"}
    assert {(path.parents[3].name, path.parents[1].name) for path in CATALOGUES} == {
        (app, language) for app in apps for language in languages
    }


@pytest.mark.parametrize("path", CATALOGUES, ids=name)
def test_a_catalogue_is_complete(path):
    catalogue = polib.pofile(str(path))
    assert [entry.msgid for entry in catalogue if not entry.translated()] == []
    assert [entry.msgid for entry in catalogue if entry.fuzzy or entry.obsolete] == []


@pytest.mark.parametrize("path", CATALOGUES, ids=name)
def test_a_translation_has_the_placeholders_of_its_message(path):
    wrong = [entry.msgid for entry in polib.pofile(str(path)) if not placeholders_agree(entry)]
    assert wrong == []


def placeholders_agree(entry: polib.POEntry) -> bool:
    if not entry.msgid_plural:
        return placeholders(entry.msgstr) == placeholders(entry.msgid)
    # "one credit" needs no number: only the forms for several do.
    known = set(placeholders(entry.msgid_plural))
    forms = [set(placeholders(text)) for text in entry.msgstr_plural.values()]
    return all(form <= known for form in forms) and known in forms


def placeholders(text: str) -> list[str]:
    return sorted(PLACEHOLDER.findall(text))


@pytest.mark.parametrize("path", CATALOGUES, ids=name)
def test_django_reads_what_the_catalogue_says(path):
    compiled = polib.mofile(str(path.with_suffix(".mo")))
    assert messages(compiled) == messages(polib.pofile(str(path)))


def messages(catalogue: list[polib.POEntry]) -> dict[tuple[str, str], object]:
    return {
        (entry.msgctxt or "", entry.msgid): entry.msgstr_plural or entry.msgstr
        for entry in catalogue
    }


def test_the_script_finds_nothing_new(tmp_path, monkeypatch):
    if not shutil.which("xgettext"):
        if os.environ.get("QUICKSCALE_REQUIRE_GETTEXT") == "1":
            pytest.fail("There is no xgettext. QUICKSCALE_REQUIRE_GETTEXT=1 demands it.")
        pytest.skip("There is no xgettext.")
    if not (ROOT / "src").is_dir():
        pytest.skip("The script works on the sources.")
    monkeypatch.delenv("DJANGO_SETTINGS_MODULE", raising=False)
    sources = shutil.copytree(ROOT / "src", tmp_path / "src")
    for app in apps(sources):
        find_messages(app)
        for path in catalogues(app):
            original = polib.pofile(str(ROOT / path.relative_to(tmp_path)))
            assert messages(polib.pofile(str(path))) == messages(original), name(path)
