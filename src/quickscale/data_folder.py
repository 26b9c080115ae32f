"""The folder in a project for what the apps keep there in development, out of version control."""

from __future__ import annotations

from pathlib import Path


def make_data_folder(folder: Path) -> None:
    """Make a folder. Git ignores one of our name; any other may hold things of the site's."""
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    if is_new and folder.name == ".quickscale":
        (folder / ".gitignore").write_text("*\n")
