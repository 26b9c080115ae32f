"""The console script ``quickscale``."""

from __future__ import annotations

import sys

from quickscale.errors import MissingExtraError


def main() -> None:
    """Run the command in the arguments; exit with 0, 1 (it failed) or 2 (wrong usage)."""
    try:
        from quickscale_cli.commands import app
    except ModuleNotFoundError as error:
        if error.name != "typer":
            raise
        sys.exit(str(MissingExtraError("The command quickscale", "cli")))
    app(prog_name="quickscale")
