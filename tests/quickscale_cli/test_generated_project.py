"""A generated project as its owner runs it, with ``manage.py`` in its own processes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import django
import psutil
import pytest

from quickscale import project as composition
from quickscale_accounts.checks import check_allauth_version
from quickscale_cli.ports import free_port, listens
from quickscale_cli.project import create_project, documented_variables
from tests.folders import server_folder

PRODUCTION = {
    "DEBUG": "false",
    "ALLOWED_HOSTS": "example.com",
    "DATABASE_URL": "postgres://site@db.example.com/site",
}


@contextmanager
def new_project():
    with server_folder() as temporary:
        create_project("my_site", temporary / "my_site")
        yield temporary / "my_site"


@pytest.fixture(scope="module")
def project():
    with new_project() as folder:
        yield folder


def environment(**variables):
    """Return this process's environment without a site's variables, and with the given ones."""
    ours = {*documented_variables(), "DJANGO_SETTINGS_MODULE", "DJANGO_ALLOW_ASYNC_UNSAFE"}
    return {name: value for name, value in os.environ.items() if name not in ours} | variables


def run(project, *arguments, **variables):
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=project,
        env=environment(**variables),
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
    if "--fail-level" in command and check_allauth_version(None):
        pytest.skip("the installed allauth has faults that a check tells")
    if variables and django.VERSION >= (6, 1):
        pytest.skip("to check generated fields, Django 6.1 asks the database, which is not there")
    result = run(project, "manage.py", *command.split(), **variables)
    assert result.returncode == 0, result.stdout + result.stderr
    if command == "test":
        assert re.search(r"Ran [1-9]\d* test", result.stderr)


def test_an_upgrade_has_nothing_to_edit_in_the_settings(project):
    settings = (project / "my_site" / "settings.py").read_text()
    assert len([line for line in settings.splitlines() if line]) <= 60
    lists = [composition.APPS, composition.MIDDLEWARE, composition.CONTEXT_PROCESSORS]
    entries = {name for known in lists for name in known} - {"quickscale"}
    assert [name for name in entries if name in settings] == []


def test_a_project_can_do_without_payments():
    with new_project() as folder:
        settings, urls = folder / "my_site" / "settings.py", folder / "my_site" / "urls.py"
        without = 'debug=DEBUG, without=["quickscale_stripe"])'
        text = settings.read_text().replace("debug=DEBUG)\nLANG", f"{without}\nLANG")
        silenced = 'SILENCED_SYSTEM_CHECKS = ["quickscale_accounts.W008"]  # about an older allauth'
        settings.write_text(f"{text}\n{silenced}\n")
        urls.write_text(re.sub(".*quickscale_stripe.*\n", "", urls.read_text()))
        for command in ("check --fail-level WARNING", "test"):
            result = run(folder, "manage.py", *command.split())
            assert result.returncode == 0, result.stdout + result.stderr


def test_production_serves_static_files_with_hashed_names(project):
    result = run(project, "manage.py", "collectstatic", "--no-input", **PRODUCTION)
    assert result.returncode == 0, result.stdout + result.stderr
    assert (project / "staticfiles" / "staticfiles.json").exists()


def test_every_variable_that_the_settings_read_is_documented(project):
    code = "from my_site.settings import env; print(*env.dump())"
    result = run(project, "-c", code)
    assert result.returncode == 0, result.stderr
    assert set(result.stdout.split()) == documented_variables()


def test_all_problems_of_the_environment_are_reported_together(project):
    wrong = {"DEBUG": "perhaps", "SECRET_KEY": "short", "DATABASE_URL": "nowhere://"}
    result = run(project, "manage.py", "check", **wrong)
    assert result.returncode != 0
    assert all(f"\n  {name}: " in result.stderr for name in wrong)
    assert "short" not in result.stderr


def test_production_refuses_to_start_without_its_variables(project):
    for name in (".env.example", ".env"):
        assert (project / name).exists()
    local = project / ".env"
    before = set(project.iterdir())
    hidden = local.rename(project / "hidden")
    try:
        result = run(project, "manage.py", "check")
    finally:
        hidden.rename(local)
    assert result.returncode != 0
    assert set(project.iterdir()) == before
    assert "\n  SECRET_KEY: Environment variable not set." in result.stderr
    assert "\n  ALLOWED_HOSTS: Environment variable not set." in result.stderr
    assert "\n  CONTACT_EMAIL: Environment variable not set." in result.stderr
    assert "\n  DATABASE_URL: Environment variable not set." in result.stderr


@pytest.mark.parametrize("option", [[], ["--noreload"]], ids=["with the reloader", "without"])
def test_a_development_server_that_is_terminated_leaves_no_database_running(project, option):
    port = free_port(0)
    server = subprocess.Popen(
        [sys.executable, "manage.py", "runserver", *option, f"127.0.0.1:{port}"],
        cwd=project,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )

    def databases():
        return [
            process.pid
            for process in psutil.process_iter(["cmdline"])
            if str(project / ".quickscale" / "postgres") in (process.info["cmdline"] or [])
        ]

    deadline = time.monotonic() + 90
    while not (listens(port) and databases()):
        if server.poll() is not None or time.monotonic() > deadline:
            server.kill()
            pytest.fail(server.communicate()[0])
        time.sleep(0.1)
    server.terminate()
    server.communicate(timeout=60)
    assert databases() == []


def first_block_of(page: str) -> str:
    text = (Path(__file__).resolve().parents[2] / "docs" / page).read_text()
    return text.split("```python\n", 1)[1].split("```", 1)[0]


def test_the_first_service_of_the_documentation_works_as_it_stands():
    """It also works beside the samples, one of which has the same code."""
    with new_project() as folder:
        app = folder / "parrots"
        app.mkdir()
        (app / "__init__.py").touch()
        (app / "credit_services.py").write_text(first_block_of("how-to/credits-services.md"))
        settings = folder / "my_site" / "settings.py"
        settings.write_text(settings.read_text().replace('"tools"', '"tools", "parrots"'))

        for command in ("check", "migrate"):
            result = run(folder, "manage.py", command)
            assert result.returncode == 0, result.stdout + result.stderr
        code = (
            "from quickscale_credits.services import get_service;"
            "from quickscale_credits.models import Service;"
            "print(get_service('summarise').__module__, Service.objects.get(slug='summarise').name)"
        )
        result = run(folder, "manage.py", "shell", "--no-imports", "-c", code)
        assert "parrots.credit_services Summarise a text" in result.stdout, result.stderr
