"""The folder in a project for what the apps keep there in development, out of version control."""

from __future__ import annotations

from pathlib import Path


def make_data_folder(folder: Path) -> None:
    """Make a folder, and tell Git to ignore what is in it. One that is there stays as it is."""
    if folder.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ".gitignore").write_text("*\n")
