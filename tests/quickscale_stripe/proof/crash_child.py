"""A site in its own process that is killed in the middle of a request.

Run it as a program. Each line of its input is a request as JSON, with ``kill_at``: the step at
which the process that serves it gets SIGKILL. The steps are the writes and commits in the database,
and the moments before and after each request to Stripe. For each line it prints the signal that
ended the process, or 0 if the request was served before that step.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import django
import stripe
from django.conf import settings


def main() -> None:
    site = json.loads(os.environ["PROOF_SITE"])
    settings.DATABASES["default"] |= site["database"]
    settings.QUICKSCALE_STRIPE_WEBHOOK_SECRET = site["secret"]
    django.setup()
    warm_up()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            serve(site["sandbox"], json.loads(line))
        _, status = os.waitpid(child, 0)
        ended = os.WTERMSIG(status) if os.WIFSIGNALED(status) else -os.WEXITSTATUS(status)
        sys.stdout.write(f"{ended}\n")
        sys.stdout.flush()


def warm_up() -> None:
    """Import what a request needs once, instead of in each child."""
    from django.test import Client

    from quickscale_stripe_sandbox import Sandbox, SandboxHTTPClient

    assert Client().get("/stripe/webhook/").status_code == 405
    account = Sandbox(":memory:")
    client = stripe.StripeClient("sk_test_x", http_client=SandboxHTTPClient(account))
    client.v1.checkout.sessions.list({"expand": ["data.line_items"]})
    client.v1.invoices.list()
    client.v1.subscriptions.list()
    client.v1.refunds.list()
    account.close()


def serve(sandbox_path: str, request: dict[str, Any]) -> None:
    from django.test import Client

    step = killer(request["kill_at"])
    watch_stripe(sandbox_path, step)
    watch_database(step)
    client = Client(raise_request_exception=False)
    client.cookies.load(request["cookies"])
    response = client.generic(
        request["method"],
        request["path"],
        request["body"],
        content_type=request["content_type"],
        headers=request["headers"],
    )
    os._exit(0 if response.status_code < 400 else 1)


def killer(at: int) -> Callable[[], None]:
    left = at

    def step() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    return step


def watch_stripe(path: str, step: Callable[[], None]) -> None:
    from quickscale_stripe_sandbox import Sandbox, SandboxHTTPClient

    class WatchedClient(SandboxHTTPClient):
        def request(self, *args: Any, **kwargs: Any) -> Any:
            step()
            answer = super().request(*args, **kwargs)
            step()
            return answer

    client = WatchedClient(Sandbox(path))
    settings.QUICKSCALE_STRIPE_CLIENT = lambda: client


def watch_database(step: Callable[[], None]) -> None:
    from django.db import connection

    def execute(run: Callable[..., Any], sql: str, *args: Any) -> Any:
        result = run(sql, *args)
        if sql.startswith(("INSERT", "UPDATE", "DELETE", "SELECT quickscale_credits_")):
            step()
        return result

    commit = connection._commit

    def watched_commit() -> None:
        commit()
        step()

    connection.execute_wrappers.append(execute)
    connection._commit = watched_commit


if __name__ == "__main__":
    main()
