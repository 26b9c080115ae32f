from __future__ import annotations

import re
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version
from typer.testing import CliRunner

from quickscale import __version__
from quickscale_cli.commands import app
from quickscale_cli.project import RESERVED_NAMES

run = CliRunner()

FILES = {
    ".env",
    ".env.example",
    ".gitignore",
    "README.md",
    "manage.py",
    "my_site/__init__.py",
    "my_site/asgi.py",
    "my_site/settings.py",
    "my_site/urls.py",
    "my_site/wsgi.py",
    "pyproject.toml",
    "templates/400.html",
    "templates/403.html",
    "templates/403_csrf.html",
    "templates/404.html",
    "templates/405.html",
    "templates/500.html",
    "templates/base.html",
    "tests/__init__.py",
    "tests/test_smoke.py",
    "tools/__init__.py",
    "tools/credit_services.py",
    "users/__init__.py",
    "users/admin.py",
    "users/migrations/0001_initial.py",
    "users/migrations/__init__.py",
    "users/models.py",
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_reference_names_each_file_and_the_names_that_a_project_cannot_have():
    page = Path(__file__).resolve().parents[2] / "docs" / "reference" / "project.md"
    named = set(re.findall(r"`([\w./]+)`", page.read_text()))
    files = {file for file in FILES if not file.endswith("__init__.py")}
    assert {file for file in files if f"{file.partition('/')[0]}/" not in named} <= named
    assert named >= RESERVED_NAMES


def files_below(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_init_writes_and_lists_the_files_and_names_the_next_steps(folder):
    result = run.invoke(app, ["init", "my_site"])
    assert result.exit_code == 0, result.output
    assert files_below(folder / "my_site") == FILES
    assert all(f"  {name}\n" in result.output for name in FILES)
    assert "cd my_site\n  python manage.py migrate" in result.output


def test_a_project_has_few_files_with_content(folder):
    """Files of one line only name what they extend."""
    run.invoke(app, ["init", "my_site"])
    texts = [(folder / "my_site" / name).read_text() for name in FILES - {".env"}]
    assert sum(text.count("\n") > 1 for text in texts) <= 16


def test_no_placeholder_is_left(folder):
    run.invoke(app, ["init", "my_site"])
    for name in FILES:
        text = (folder / "my_site" / name).read_text()
        assert "project_name" not in text
        assert "quickscale_versions" not in text


def test_a_project_may_have_the_name_of_a_placeholder(folder):
    run.invoke(app, ["init", "quickscale_versions"])
    project = folder / "quickscale_versions"
    assert "quickscale_versions.settings" in (project / "manage.py").read_text()
    assert (project / "quickscale_versions" / "settings.py").exists()


def test_the_project_is_pinned_to_the_releases_that_it_can_be_upgraded_to(folder):
    run.invoke(app, ["init", "my_site"])
    project = tomllib.loads((folder / "my_site" / "pyproject.toml").read_text())
    assert project["project"]["name"] == "my_site"
    pins = {group: Requirement(text) for group, (text,) in project["dependency-groups"].items()}
    assert {group: pin.extras for group, pin in pins.items()} == {
        "dev": {"all"},
        "production": {"server"},
    }
    for pin in pins.values():
        assert pin.name == "quickscale"
        assert pin.specifier.contains(__version__)
        assert pin.specifier.contains("1.99")
        # Releases up to 0.88 under this name are other software.
        assert not any(map(pin.specifier.contains, ["0.1.0", "0.83.0", "0.88.0", "0.999", "2.0"]))


def test_this_release_is_newer_than_other_software_of_this_name():
    assert Version(__version__) >= Version("1.0.0")


def test_each_project_has_a_secret_key_of_its_own_that_only_its_owner_can_read(folder):
    keys = set()
    for name in ("one_site", "other_site"):
        run.invoke(app, ["init", name])
        local = folder / name / ".env"
        assert stat.S_IMODE(local.stat().st_mode) == 0o600
        assert ".env" in (folder / name / ".gitignore").read_text().splitlines()
        example = (folder / name / ".env.example").read_text().splitlines()
        (key,) = set(local.read_text().splitlines()) - set(example)
        assert key.startswith("SECRET_KEY=")
        assert len(key) >= len("SECRET_KEY=") + 50
        keys.add(key)
    assert len(keys) == 2


def test_another_directory(folder):
    result = run.invoke(app, ["init", "my_site", "--directory", "work/site"])
    assert result.exit_code == 0
    assert files_below(folder / "work" / "site") == FILES
    assert list((folder / "work").iterdir()) == [folder / "work" / "site"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("1site", "not a valid project name"),
        ("my-site", "not a valid project name"),
        ("my site", "not a valid project name"),
        ("../site", "not a valid project name"),
        ("_site", "not a valid project name"),
        ("site_", "not a valid project name"),
        ("größe", "not a valid project name"),
        ("", "not a valid project name"),
        ("lambda", "keyword"),
        ("json", "can be imported"),
        ("django", "can be imported"),
        ("quickscale", "can be imported"),
        ("users", "Every project already has"),
        ("Tests", "Every project already has"),
    ],
)
def test_an_unusable_name_is_one_clear_error_and_nothing_is_written(folder, name, reason):
    result = run.invoke(app, ["init", name])
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert reason in result.stderr
    assert list(folder.iterdir()) == []


def test_a_folder_that_exists_is_left_alone(folder):
    (folder / "my_site").mkdir()
    (folder / "my_site" / "mine.txt").write_text("mine")
    result = run.invoke(app, ["init", "my_site"])
    assert result.exit_code == 1
    assert result.stderr == "Error: my_site already exists.\n"
    assert files_below(folder) == {"my_site/mine.txt"}


def test_a_folder_that_cannot_be_made_is_one_clear_error(folder):
    (folder / "file").touch()
    result = run.invoke(app, ["init", "my_site", "--directory", "file/site"])
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: file/site can't be written: ")
    assert files_below(folder) == {"file"}


def test_a_failure_half_way_leaves_nothing(folder, monkeypatch):
    def full(*args):
        raise OSError("No space left on device")

    monkeypatch.setattr(Path, "rename", full)
    result = run.invoke(app, ["init", "my_site"])
    assert result.exit_code == 1
    assert list(folder.iterdir()) == []


def test_version():
    result = run.invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"quickscale {__version__}\n")


def test_wrong_usage_is_exit_code_2():
    assert run.invoke(app, ["no-such-command"]).exit_code == 2


def test_without_typer_one_sentence_names_the_extra():
    code = "import sys; sys.modules['typer'] = None\nfrom quickscale_cli.main import main\nmain()"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr == 'The command quickscale needs: pip install "quickscale[cli]".\n'


def test_a_new_machine_makes_its_env_file_and_never_overwrites_one(folder):
    run.invoke(app, ["init", "my_site"])
    project = folder / "my_site"
    first = (project / ".env").read_text()

    def dotenv(where):
        command = [sys.executable, "-m", "quickscale.dotenv"]
        return subprocess.run(command, cwd=where, capture_output=True, text=True)

    refused = dotenv(project)
    assert (refused.returncode, refused.stderr) == (
        1,
        "There is already a .env; it was not changed.\n",
    )
    assert (project / ".env").read_text() == first

    (project / ".env").unlink()
    assert dotenv(project).stdout == "Wrote .env\n"
    assert stat.S_IMODE((project / ".env").stat().st_mode) == 0o600
    assert (project / ".env").read_text() != first
    assert dotenv(folder).returncode == 1
