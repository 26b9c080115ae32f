from __future__ import annotations

import signal
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from quickscale_stripe_sandbox import Sandbox
from quickscale_stripe_sandbox.conf import app_settings
from quickscale_stripe_sandbox.internal.server import HOST, make_sandbox_server


class Command(BaseCommand):
    help = (
        "Serve a stand-in for Stripe on this machine, for development: the API, the payment page"
        " and signed webhooks. Point the site to it with QUICKSCALE_STRIPE_API_BASE."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=12111, help="by default 12111")
        parser.add_argument("--path", help="the SQLite file that keeps the sandbox's state")
        parser.add_argument(
            "--forward-to",
            metavar="URL",
            help="the site's webhook, such as http://127.0.0.1:8000/stripe/webhook/",
        )
        parser.add_argument(
            "--webhook-secret",
            metavar="SECRET",
            help="sign webhooks with this secret; by default with a new one, which is printed",
        )
        parser.add_argument("--seed", action="store_true", help="start with a small catalogue")
        parser.add_argument(
            "--seed-only", action="store_true", help="make the catalogue without serving"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("The sandbox is for development: it runs only with DEBUG on.")
        sandbox = Sandbox(options["path"] or app_settings.path, background=True)
        try:
            if (options["seed"] or options["seed_only"]) and sandbox.seed():
                self.stdout.write("Made three credit packages and two plans.")
            if not options["seed_only"]:
                self._serve(sandbox, options)
        finally:
            sandbox.close()

    def _serve(self, sandbox: Sandbox, options: dict[str, Any]) -> None:
        port, url = options["port"], options["forward_to"]
        try:
            server = make_sandbox_server(sandbox, port)
        except OSError as error:
            raise CommandError(f"Port {port} of {HOST} can't be used: {error}") from error
        if url:
            secret = sandbox.forward_to(url, secret=options["webhook_secret"])
            self.stdout.write(f"Webhooks go to {url}")
            if not options["webhook_secret"]:
                self.stdout.write(f"Set the site's webhook secret to {secret}")
        self.stdout.write(f"Sandbox: {sandbox.base_url}")
        self.stdout.write(f"Control: {sandbox.base_url}/_sandbox/")
        self.stdout.flush()
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            self.stdout.write("Stopped.")
        finally:
            server.server_close()
