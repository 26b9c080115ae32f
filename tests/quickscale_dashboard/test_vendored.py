from __future__ import annotations

import hashlib
import re
import tomllib
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders

import quickscale
from scripts.subset import RARE, classes, subset

ICONS = Path(quickscale.__file__).parent / "templates/quickscale/icons"
FOLDERS = [
    Path(str(finders.find("quickscale_dashboard/vendor/VENDORED.toml"))).parent,
    Path(__file__).resolve().parent.parent / "assets",
]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_vendored_files_are_what_was_published(folder: Path) -> None:
    entries = tomllib.loads((folder / "VENDORED.toml").read_text())["file"]
    recorded = {entry["name"]: entry["sha256"] for entry in entries}
    present = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if path.suffix in {".js", ".css"}
    }
    assert present == recorded


def test_the_icons_are_what_the_script_made_of_the_published_ones() -> None:
    [entry] = tomllib.loads((ICONS / "VENDORED.toml").read_text())["file"]
    assert {path.stem for path in ICONS.glob("*.svg")} == set(entry["icons"])
    content = b"".join((ICONS / f"{icon}.svg").read_bytes() for icon in entry["icons"])
    assert hashlib.sha256(content).hexdigest() == entry["sha256"]


@pytest.mark.parametrize("folder", [*FOLDERS, ICONS], ids=lambda folder: folder.name)
def test_vendored_files_carry_their_licences(folder: Path) -> None:
    entries = tomllib.loads((folder / "VENDORED.toml").read_text())["file"]
    licences = (folder / "LICENSES.txt").read_text()
    for entry in entries:
        names = {"MIT": "MIT License", "MPL-2.0": "Mozilla Public License", "ISC": "ISC License"}
        assert names[entry["licence"]] in (licences.replace("The MIT License (MIT)", "MIT License"))
        assert entry["version"]
        assert entry["package"]


def test_bulma_has_the_rare_classes_that_our_templates_use() -> None:
    used = {
        name
        for path in Path(quickscale.__file__).parents[1].glob("quickscale*/**/*.html")
        for name in classes(path.read_text())
        if RARE.fullmatch(name) and not name.startswith("qs-")
    }
    style_sheet = (FOLDERS[0] / "bulma.min.css").read_text()
    lacking = {name for name in used if not re.search(rf"\.{name}(?![\w-])", style_sheet)}
    assert not lacking, "Run python scripts/vendor.py."


BULMA = (
    "/*! Bulma */:root{--shade:1;--read:2;--chain:var(--end);--end:3}"
    ".button.is-info,.button.has-text-info-25{color:var(--read)}"
    ".hero .title{color:red}.box:not(.hero){color:var(--chain)}"
    "@media print{.level.is-fullhd{color:red}}@media print{.level{color:red;--x:1}}"
    "@keyframes spin{from{color:red}to{color:blue}}"
)


def test_the_subset_has_what_is_used_and_what_that_reads(tmp_path: Path) -> None:
    page, style_sheet = tmp_path / "page.html", tmp_path / "site.css"
    page.write_text('<p class="button{% if "hero" %} has-text-info-25{% endif %}">')
    style_sheet.write_text("a { color: var(--x) }")
    assert subset(BULMA, [], []) == (
        "/*! Bulma */:root{--read:2;--chain:var(--end);--end:3}"
        ".button.is-info{color:var(--read)}"
        ".box:not(.hero){color:var(--chain)}"
        "@media print{.level{color:red}}"
        "@keyframes spin{from{color:red}to{color:blue}}"
    )
    assert ".button.is-info,.button.has-text-info-25{" in subset(BULMA, [page], [])
    assert "{color:red;--x:1}" in subset(BULMA, [], [style_sheet])
