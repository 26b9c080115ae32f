"""What is inside the wheel."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src"
NOT_SHIPPED = {"__pycache__"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        check=True,
        capture_output=True,
        cwd=ROOT,
    )
    (built,) = folder.glob("*.whl")
    return zipfile.ZipFile(built)


def tracked_files() -> set[str]:
    git = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "src"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if git.returncode == 0 and git.stdout:
        return {line.removeprefix("src/") for line in git.stdout.splitlines()}
    return {
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("*")
        if path.is_file() and not NOT_SHIPPED & set(path.parts)
    }


def test_every_file_of_the_source_tree_is_in_the_wheel(wheel):
    missing = {name for name in tracked_files() - set(wheel.namelist()) if (SOURCE / name).exists()}
    assert missing == set()


@pytest.mark.parametrize(
    "pattern",
    [
        "quickscale_credits/migrations/0001_",
        "quickscale_credits/sql/",
        "quickscale_credits/templates/quickscale_credits/",
        "quickscale_stripe/migrations/0001_",
        "quickscale_stripe/templates/quickscale_stripe/",
        "quickscale_accounts/templates/",
        "quickscale_dashboard/static/quickscale_dashboard/vendor/",
        "quickscale_dashboard/templates/quickscale_dashboard/shell.html",
        "quickscale_cli/project_template/",
        *(
            f"quickscale{app}/py.typed"
            for app in ("", "_accounts", "_cli", "_credits", "_dashboard", "_stripe")
        ),
    ],
)
def test_the_wheel_holds(wheel, pattern):
    assert any(name.startswith(pattern) for name in wheel.namelist())


def test_the_wheel_holds_no_tests_and_no_project(wheel):
    tops = {name.partition("/")[0] for name in wheel.namelist()}
    packages = {top for top in tops if not top.endswith(".dist-info")}
    assert packages == {
        "quickscale",
        "quickscale_accounts",
        "quickscale_cli",
        "quickscale_credits",
        "quickscale_dashboard",
        "quickscale_stripe",
    }


def test_the_extras_are_the_documented_ones():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(project["optional-dependencies"]) == {
        "credits",
        "accounts",
        "stripe",
        "dashboard",
        "cli",
        "embedded",
        "postgres",
        "pdf",
        "server",
        "all",
    }


def test_production_does_not_install_the_embedded_database():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    assert not any("embedded" in requirement for requirement in extras["server"])
    assert any("embedded" in requirement for requirement in extras["all"])
