from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders

import quickscale

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
