"""The sandbox as a separate server. Like Stripe's, its origin is not the site's."""

from __future__ import annotations

from collections.abc import Iterable
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from quickscale_stripe_sandbox.internal.engine import Sandbox
from quickscale_stripe_sandbox.internal.http import respond

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

HOST = "127.0.0.1"
_REASONS = {200: "OK", 303: "See Other", 400: "Bad Request", 404: "Not Found"}


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's name
        """Log nothing; the control page shows the requests."""


def application(
    sandbox: Sandbox, environ: WSGIEnvironment, start: StartResponse
) -> Iterable[bytes]:
    """Answer a request over WSGI; only host names of this machine are accepted."""
    host = environ.get("HTTP_HOST", "")
    if host.rpartition(":")[0] not in {HOST, "localhost"}:
        start("421 Misdirected Request", [("Content-Length", "0")])
        return []
    headers = {
        name.removeprefix("HTTP_").replace("_", "-"): str(value)
        for name, value in environ.items()
        if name.startswith("HTTP_") or name == "CONTENT_TYPE"
    }
    length = int(environ.get("CONTENT_LENGTH") or 0)
    query = environ.get("QUERY_STRING", "")
    path = environ["PATH_INFO"].encode("latin-1").decode(errors="replace")
    answer = respond(
        sandbox,
        environ["REQUEST_METHOD"],
        f"{path}?{query}" if query else path,
        headers,
        environ["wsgi.input"].read(length),
        base_url=f"http://{host}",
    )
    sent = {**answer.headers, "Content-Length": str(len(answer.body))}
    start(f"{answer.status} {_REASONS.get(answer.status, 'Answer')}", list(sent.items()))
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [answer.body]


def make_sandbox_server(sandbox: Sandbox, port: int) -> WSGIServer:
    """Make a server on 127.0.0.1 that answers each request in a thread; call ``serve_forever()``.

    Port 0 takes a free port; ``server_port`` says which.
    """
    server = make_server(
        HOST,
        port,
        lambda environ, start: application(sandbox, environ, start),
        server_class=_Server,
        handler_class=_QuietHandler,
    )
    sandbox.base_url = f"http://{HOST}:{server.server_port}"
    return server
