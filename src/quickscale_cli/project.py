"""Writes the files of a new project."""

from __future__ import annotations

import importlib.util
import keyword
import re
import secrets
import tempfile
from pathlib import Path

from quickscale import __version__
from quickscale_cli.errors import CommandError

TEMPLATE = Path(__file__).parent / "project_template"
RESERVED_NAMES = frozenset({"manage", "media", "staticfiles", "templates", "tests", "users"})


def create_project(name: str, folder: Path) -> list[Path]:
    """Write the project ``name`` to ``folder``, which must not exist, and return its files.

    Raises:
        CommandError: the name or the folder can't be used; nothing has been written.
    """
    check_name(name)
    if folder.exists():
        raise CommandError(f"{folder} exists already.")
    replacements = {
        "project_name": name,
        "quickscale_requirement": f"quickscale[all]~={'.'.join(__version__.split('.')[:2])}",
    }
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=folder.parent) as temporary:
            unfinished = Path(temporary) / name
            _render(unfinished, replacements)
            _write_local_environment(unfinished)
            unfinished.rename(folder)
    except OSError as error:
        raise CommandError(f"{folder} can't be written: {error}") from error
    return sorted(path for path in folder.rglob("*") if path.is_file())


def documented_variables() -> set[str]:
    """The names in ``.env.example``: everything that a project reads from the environment."""
    example = (TEMPLATE / "dot-env.example-tpl").read_text(encoding="utf-8")
    return set(re.findall(r"^#?([A-Z][A-Z_]+)=", example, re.MULTILINE))


def check_name(name: str) -> None:
    """Raise a CommandError when no project can have this name."""
    if not re.fullmatch(r"[A-Za-z]([A-Za-z0-9_]*[A-Za-z0-9])?", name):
        raise CommandError(
            f"{name!r} is not a valid project name: use ASCII letters, digits and underscores; "
            "begin with a letter, and don't end with an underscore."
        )
    if keyword.iskeyword(name):
        raise CommandError(f"{name!r} is a keyword of Python. Choose another name.")
    if name.lower() in RESERVED_NAMES:
        raise CommandError(f"{name!r} is a part of every project. Choose another name.")
    if importlib.util.find_spec(name) is not None:
        raise CommandError(
            f"{name!r} is the name of a module that can be imported here. Choose another name."
        )


def _render(folder: Path, replacements: dict[str, str]) -> None:
    """Copy the template; ``dot-`` begins and ``-tpl`` ends names that other tools would act on."""
    for source in TEMPLATE.rglob("*-tpl"):
        relative = str(source.relative_to(TEMPLATE)).removesuffix("-tpl").replace("dot-", ".")
        text = source.read_text(encoding="utf-8")
        for placeholder, value in replacements.items():
            relative = relative.replace(placeholder, value)
            text = text.replace(placeholder, value)
        target = folder / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    (folder / "manage.py").chmod(0o755)


def _write_local_environment(folder: Path) -> None:
    """Make ``.env`` from its example, with a secret key of its own, for this machine only."""
    example = (folder / ".env.example").read_text(encoding="utf-8")
    local = folder / ".env"
    local.touch(mode=0o600)
    local.write_text(
        example.replace("SECRET_KEY=\n", f"SECRET_KEY={secrets.token_urlsafe(50)}\n"),
        encoding="utf-8",
    )
