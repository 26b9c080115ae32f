"""``example_project/`` works: its checks, its migrations and its own tests."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from quickscale.postgres import embedded_url
from tests.folders import server_folder

EXAMPLE = Path(__file__).resolve().parents[1] / "example_project"


@pytest.fixture(scope="module")
def database():
    with server_folder() as temporary:
        yield embedded_url(temporary / "postgres")


@pytest.mark.parametrize(
    "command", ["check --fail-level WARNING", "makemigrations --check --dry-run", "test"]
)
def test_the_example_is_sound(command, database):
    environment = {**os.environ, "DATABASE_URL": database}
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    result = subprocess.run(
        [sys.executable, "-W", "error", "manage.py", *command.split()],
        cwd=EXAMPLE,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    if command == "test":
        assert re.search(r"Ran [1-9]\d* test", result.stderr)
