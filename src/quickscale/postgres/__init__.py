"""An embedded PostgreSQL as a Django database backend that needs no installation or start.

``ENGINE = "quickscale.postgres"``, or a ``DATABASE_URL`` of the form
``embedded:////absolute/folder?name=database``. The first connection starts the server; the last
process that used it stops it.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

ENGINE = "quickscale.postgres"
SCHEME = "embedded"
DATABASE_NAME = "quickscale"


def embedded_url(folder: Path, name: str = DATABASE_NAME) -> str:
    """Return the ``DATABASE_URL`` of an embedded server that stores its data in ``folder``."""
    return f"{SCHEME}:///{quote(str(folder.absolute()))}?name={name}"


def _path_is_the_host(config: Any) -> None:
    """Use the URL's path as the data folder, and ``?name=`` as the database in it."""
    config["HOST"] = config["NAME"]
    config["NAME"] = str(config["OPTIONS"].pop("name", DATABASE_NAME))


with suppress(ImportError):  # a site may name ENGINE and HOST itself
    import dj_database_url

    dj_database_url.register(SCHEME, ENGINE)(_path_is_the_host)
