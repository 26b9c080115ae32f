"""The folder in a project where the apps store development data, outside version control."""

from __future__ import annotations

from pathlib import Path


def make_data_folder(folder: Path) -> None:
    """Create a folder. Git ignores one with our name; any other may contain the site's files."""
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    if is_new and folder.name == ".quickscale":
        (folder / ".gitignore").write_text("*\n")
