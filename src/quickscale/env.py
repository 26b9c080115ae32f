"""The environment of a generated project: typed, and all problems told at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dj_database_url
import environs

from quickscale.postgres import embedded_url


class Env(environs.Env):
    """Reads the environment and ``.env`` below ``base_dir``.

    Every problem is kept until :meth:`seal`, which raises one
    ``environs.EnvValidationError`` that lists them all.
    """

    def __init__(self, base_dir: Path) -> None:
        super().__init__(eager=False)
        self.base_dir = base_dir
        self.read_env(str(base_dir / ".env"), recurse=False)

    def database(self, name: str = "DATABASE_URL") -> dict[str, Any]:
        """Django's ``DATABASES["default"]``.

        The address in the variable always wins; without one, the embedded PostgreSQL keeps its
        data in ``.quickscale/postgres`` below the project.
        """
        url = self.str(name, "") or embedded_url(self.base_dir / ".quickscale" / "postgres")
        return dict(dj_database_url.parse(url, conn_health_checks=True))
