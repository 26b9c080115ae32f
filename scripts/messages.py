"""Write the catalogues of translations: ``python scripts/messages.py``.

It finds the messages of each app with Django's ``makemessages``, which needs the program
``xgettext``, keeps their translations in ``locale/``, and compiles what Django reads. Messages that
have changed are marked as fuzzy: translate them, remove the mark, and run the script again.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import polib

SOURCE = Path(__file__).parents[1] / "src"
LANGUAGES = ("ar", "de", "es", "fr")
WITHOUT_MESSAGES = ("quickscale_cli", "quickscale_stripe_sandbox")


def apps(source: Path) -> list[Path]:
    """Return the folders of the apps that have messages."""
    return [
        path.parent
        for path in sorted(source.glob("quickscale*/__init__.py"))
        if path.parent.name not in WITHOUT_MESSAGES
    ]


def find_messages(app: Path) -> None:
    """Bring the catalogues of an app up to date with its code and its templates."""
    (app / "locale").mkdir(exist_ok=True)
    languages = [f"--locale={language}" for language in LANGUAGES]
    options = ["--no-wrap", "--no-obsolete", "--add-location=file"]
    django = [sys.executable, "-m", "django", "makemessages"]
    subprocess.run([*django, *languages, *options], cwd=app, check=True)
    for path in catalogues(app):
        path.write_text(without_creation_date(path.read_text()))


def catalogues(app: Path) -> list[Path]:
    """Return the catalogues of an app, a file for each language."""
    return sorted(app.glob("locale/*/LC_MESSAGES/django.po"))


def without_creation_date(text: str) -> str:
    """Leave out the line that changes at each run."""
    lines = text.splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith('"POT-Creation-Date'))


def compile_catalogue(path: Path) -> None:
    """Write the file that Django reads beside the catalogue."""
    polib.pofile(str(path)).save_as_mofile(str(path.with_suffix(".mo")))


def main() -> None:
    os.environ.pop("DJANGO_SETTINGS_MODULE", None)
    for app in apps(SOURCE):
        find_messages(app)
        for path in catalogues(app):
            compile_catalogue(path)


if __name__ == "__main__":
    main()
