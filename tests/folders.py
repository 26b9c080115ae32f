"""Folders for the data of an embedded PostgreSQL."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def server_folder() -> Iterator[Path]:
    """Make a temporary folder outside of pytest's, whose permissions each run of pytest resets.

    Where tests run as root, the server runs as another user, who must be able to open the folder.
    """
    with tempfile.TemporaryDirectory(prefix="quickscale-") as name:
        yield Path(name)
