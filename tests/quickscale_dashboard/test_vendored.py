from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders

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


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_vendored_files_carry_their_licences(folder: Path) -> None:
    entries = tomllib.loads((folder / "VENDORED.toml").read_text())["file"]
    licences = (folder / "LICENSES.txt").read_text()
    for entry in entries:
        assert {"MIT": "MIT License", "MPL-2.0": "Mozilla Public License"}[entry["licence"]] in (
            licences.replace("The MIT License (MIT)", "MIT License")
        )
        assert entry["version"]
        assert entry["package"]
