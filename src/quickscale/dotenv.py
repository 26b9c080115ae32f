"""Write a project's ``.env`` for one machine: run ``python -m quickscale.dotenv`` in its folder."""

from __future__ import annotations

import re
import secrets
import sys
from pathlib import Path


def write_dotenv(folder: Path) -> Path:
    """Create ``.env`` from ``.env.example`` with a new secret key; only its owner can read it.

    Raises:
        FileExistsError: ``.env`` already exists; it is not changed.
    """
    example = (folder / ".env.example").read_text(encoding="utf-8")
    key = f"SECRET_KEY={secrets.token_urlsafe(50)}"
    local = folder / ".env"
    local.touch(mode=0o600, exist_ok=False)
    local.write_text(re.sub("^SECRET_KEY=$", key, example, flags=re.MULTILINE), encoding="utf-8")
    return local


if __name__ == "__main__":
    try:
        print(f"Wrote {write_dotenv(Path())}")  # noqa: T201
    except FileExistsError:
        sys.exit("There is already a .env; it was not changed.")
    except FileNotFoundError:
        sys.exit("There is no .env.example here. Run this in the folder of manage.py.")
