"""Write the files of a new project."""

from __future__ import annotations

import importlib.util
import keyword
import re
import tempfile
from pathlib import Path

from quickscale import __version__
from quickscale.dotenv import write_dotenv
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
        raise CommandError(f"{folder} already exists.")
    replacements = {
        "project_name": name,
        "quickscale_versions": compatible_versions(__version__),
    }
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=folder.parent) as temporary:
            unfinished = Path(temporary) / name
            _render(unfinished, replacements)
            write_dotenv(unfinished)
            unfinished.rename(folder)
    except OSError as error:
        raise CommandError(f"{folder} can't be written: {error}") from error
    return sorted(path for path in folder.rglob("*") if path.is_file())


def compatible_versions(version: str) -> str:
    """Return the releases to which a project made by this release may be upgraded.

    A major version stays compatible. Releases below 1 of this name on PyPI are other software.
    """
    major = int(version.partition(".")[0])
    return f">={major},<{major + 1}"


def documented_variables() -> set[str]:
    """Return the names in ``.env.example``: all that a project reads from the environment."""
    example = (TEMPLATE / "dot-env.example-tpl").read_text(encoding="utf-8")
    return set(re.findall(r"^#?([A-Z][A-Z_]+)=", example, re.MULTILINE))


def check_name(name: str) -> None:
    """Raise a CommandError if a project can't have this name."""
    if not re.fullmatch(r"[A-Za-z]([A-Za-z0-9_]*[A-Za-z0-9])?", name):
        raise CommandError(
            f"{name!r} is not a valid project name: use ASCII letters, digits and underscores; "
            "start with a letter, and don't end with an underscore."
        )
    if keyword.iskeyword(name):
        raise CommandError(f"{name!r} is a Python keyword. Choose another name.")
    if name.lower() in RESERVED_NAMES:
        raise CommandError(f"Every project already has {name!r}. Choose another name.")
    if importlib.util.find_spec(name) is not None:
        raise CommandError(
            f"{name!r} is the name of a module that can be imported here. Choose another name."
        )


def _render(folder: Path, replacements: dict[str, str]) -> None:
    """Copy the template, without the ``dot-`` and ``-tpl`` that hide names from other tools.

    All placeholders are replaced at once, so the value of one is not searched for another.
    """
    placeholder = re.compile("|".join(replacements))

    def fill_in(text: str) -> str:
        return placeholder.sub(lambda found: replacements[found[0]], text)

    for source in TEMPLATE.rglob("*-tpl"):
        relative = source.relative_to(TEMPLATE)
        name = re.sub("^dot-", ".", relative.name.removesuffix("-tpl"))
        target = folder / fill_in(str(relative.parent)) / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(fill_in(source.read_text(encoding="utf-8")), encoding="utf-8")
    (folder / "manage.py").chmod(0o755)
