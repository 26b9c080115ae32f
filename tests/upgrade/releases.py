"""The releases that a site may upgrade from, taken from the repository's history."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tomllib
from io import BytesIO
from pathlib import Path
from urllib.parse import quote

import pytest
from django.db import connection

ROOT = Path(__file__).resolve().parents[2]
WORKING_TREE = "the working tree"


def released() -> list[str]:
    """Return the commits of the releases in ``released.toml``, the oldest first."""
    releases: dict[str, str] = tomllib.loads((ROOT / "tests/upgrade/released.toml").read_text())
    return list(releases.values())


def unpack(commit: str, folder: Path) -> Path:
    """Put the source and the tests of a commit into a folder; skip the test without history."""
    if commit == WORKING_TREE:
        return ROOT
    packed = subprocess.run(
        ["git", "archive", commit, "src", "tests"], cwd=ROOT, capture_output=True
    )
    if packed.returncode:
        pytest.skip("There is no history here.")
    with tarfile.open(fileobj=BytesIO(packed.stdout)) as files:
        files.extractall(folder, filter="data")
    return folder


def run(folder: Path, code: str, *, database: str = "") -> str:
    """Run Python with the packages of ``folder``, and return what it prints.

    Args:
        database: a database other than the test's, on the same server.
    """
    path = os.pathsep.join([str(folder / "src"), str(folder), *sys.path])
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "DATABASE_URL": database_url(database)},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def database_url(name: str = "") -> str:
    place = connection.get_connection_params()
    user, password, host = (quote(place.get(n) or "", "") for n in ("user", "password", "host"))
    name = name or place["dbname"]
    return f"postgres://{user}:{password}@{host}:{place.get('port') or 5432}/{name}"
