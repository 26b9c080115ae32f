"""The commands, their arguments and their output."""

from __future__ import annotations

import os
import sys
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from quickscale import __version__
from quickscale_cli.demo import FOLDER, LOGINS, PORT, SANDBOX_PORT, run_demo
from quickscale_cli.errors import CommandError
from quickscale_cli.project import create_project

app = typer.Typer(
    name="quickscale",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"quickscale {__version__}")
        raise typer.Exit


@app.callback()
def quickscale(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Django apps for charging for use: accounts, credits, Stripe payments and dashboards."""


@app.command()
def init(
    name: Annotated[str, typer.Argument(help="The project's Python package, such as my_site.")],
    directory: Annotated[
        Path | None,
        typer.Option(help="The folder to create; by default NAME in the current folder."),
    ] = None,
) -> None:
    """Write a new project: a few files that import the apps."""
    folder = directory or Path(name)
    try:
        files = create_project(name, folder)
    except CommandError as error:
        raise _failure(error) from error
    typer.echo(f"Created {name} in {folder}:")
    for file in files:
        typer.echo(f"  {file.relative_to(folder)}")
    typer.echo(
        "\n".join(
            [
                "",
                "Next steps:",
                f"  cd {folder}",
                "  python manage.py migrate",
                "  python manage.py createsuperuser",
                "  python manage.py runserver",
            ]
        )
    )


@app.command()
def demo(
    folder: Annotated[
        Path, typer.Argument(help="The folder of the project and its data.")
    ] = FOLDER,
    port: Annotated[int, typer.Option(help="The site's port; if it is taken, a free one.")] = PORT,
    sandbox_port: Annotated[
        int, typer.Option(help="The Stripe sandbox's port; if it is taken, a free one.")
    ] = SANDBOX_PORT,
    browser: Annotated[
        bool, typer.Option(help="Open the site in a browser if there is a desktop.")
    ] = True,
) -> None:
    """Run the whole product here, with sample data and a sandbox instead of Stripe."""

    def ready(site: str, sandbox: str) -> None:
        logins = [f"  {email} / {password}" for email, password in LOGINS.items()]
        lines = [f"The site is at {site}", *logins, f"The Stripe sandbox is at {sandbox}"]
        typer.echo("\n".join(["", *lines, "", "Mails are printed here. Ctrl-C stops.", ""]))
        if browser and _has_desktop():
            webbrowser.open(site)

    try:
        run_demo(folder, port=port, sandbox_port=sandbox_port, say=typer.echo, ready=ready)
    except CommandError as error:
        raise _failure(error) from error


def _has_desktop() -> bool:
    """Return whether a browser would open in its own window instead of this terminal."""
    displays = ("DISPLAY", "WAYLAND_DISPLAY")
    return sys.stdout.isatty() and (sys.platform == "darwin" or any(map(os.getenv, displays)))


def _failure(error: CommandError) -> typer.Exit:
    typer.echo(f"Error: {error}", err=True)
    return typer.Exit(1)
