"""Folders for the data of an embedded PostgreSQL."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def server_folder() -> Iterator[Path]:
    """A temporary folder outside of pytest's own, which any other run of pytest locks up again.

    Where tests run as root, the server runs as a user of its own, who must be able to get in.
    """
    with tempfile.TemporaryDirectory(prefix="quickscale-") as name:
        yield Path(name)
