"""A generated project, as its owner runs it: ``manage.py`` in processes of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from quickscale_cli.project import create_project, documented_variables
from tests.folders import server_folder

PRODUCTION = {"DEBUG": "false", "ALLOWED_HOSTS": "example.com"}


@pytest.fixture(scope="module")
def project():
    with server_folder() as temporary:
        create_project("my_site", temporary / "my_site")
        yield temporary / "my_site"


def run(project, *arguments, **variables):
    """Run Python in the project, with nothing of this test's environment that a site reads."""
    ours = {*documented_variables(), "DJANGO_SETTINGS_MODULE", "DJANGO_ALLOW_ASYNC_UNSAFE"}
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=project,
        env={**environment, **variables},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.parametrize(
    ("command", "variables"),
    [
        ("check --fail-level WARNING", {}),
        ("check --deploy --fail-level WARNING", PRODUCTION),
        ("makemigrations --check", {}),
        ("test", {}),
    ],
    ids=["check", "check in production", "no missing migration", "its own tests"],
)
def test_a_generated_project_is_sound(project, command, variables):
    result = run(project, "manage.py", *command.split(), **variables)
    assert result.returncode == 0, result.stdout + result.stderr
    if command == "test":
        assert re.search(r"Ran [1-9]\d* test", result.stderr)


def test_production_serves_static_files_with_hashed_names(project):
    result = run(project, "manage.py", "collectstatic", "--no-input", **PRODUCTION)
    assert result.returncode == 0, result.stdout + result.stderr
    assert (project / "staticfiles" / "staticfiles.json").exists()


def test_every_variable_that_the_settings_read_is_documented(project):
    code = "from my_site.settings import env; print(*env.dump())"
    result = run(project, "-c", code)
    assert result.returncode == 0, result.stderr
    assert set(result.stdout.split()) == documented_variables()


def test_all_problems_of_the_environment_are_told_at_once(project):
    wrong = {"DEBUG": "perhaps", "SECRET_KEY": "short", "DATABASE_URL": "nowhere://"}
    result = run(project, "manage.py", "check", **wrong)
    assert result.returncode != 0
    assert all(f"\n  {name}: " in result.stderr for name in wrong)
    assert "short" not in result.stderr


def test_production_refuses_to_start_without_its_variables(project):
    for name in (".env.example", ".env"):
        assert (project / name).exists()
    local = project / ".env"
    hidden = local.rename(project / "hidden")
    try:
        result = run(project, "manage.py", "check")
    finally:
        hidden.rename(local)
    assert result.returncode != 0
    assert "\n  SECRET_KEY: Environment variable not set." in result.stderr
    assert "\n  ALLOWED_HOSTS: Environment variable not set." in result.stderr
    assert "\n  CONTACT_EMAIL: Environment variable not set." in result.stderr
