"""An embedded PostgreSQL as a Django database backend: nothing to install or start.

``ENGINE = "quickscale.postgres"``, or a ``DATABASE_URL`` of the form
``embedded:////absolute/folder?name=database``. The first connection starts the server; the last
process that used it stops it.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import dj_database_url

ENGINE = "quickscale.postgres"
SCHEME = "embedded"
DATABASE_NAME = "quickscale"


@dj_database_url.register(SCHEME, ENGINE)
def _path_is_the_host(config: dj_database_url.DBConfig) -> None:
    """The URL's path is the data folder; ``?name=`` is the database in it."""
    config["HOST"] = config["NAME"]
    config["NAME"] = str(config["OPTIONS"].pop("name", DATABASE_NAME))


def embedded_url(folder: Path, name: str = DATABASE_NAME) -> str:
    """The ``DATABASE_URL`` of an embedded server that keeps its data in ``folder``."""
    return f"{SCHEME}:///{quote(str(folder.absolute()))}?name={name}"
