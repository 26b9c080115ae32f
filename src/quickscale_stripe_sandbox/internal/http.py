"""One HTTP request to the sandbox, which the API or a page answers."""

from __future__ import annotations

from collections.abc import Mapping

from quickscale_stripe_sandbox.internal.engine import Sandbox
from quickscale_stripe_sandbox.internal.responses import Request, SandboxResponse
from quickscale_stripe_sandbox.pages import web


def respond(
    sandbox: Sandbox,
    method: str,
    target: str,
    headers: Mapping[str, str],
    body: bytes = b"",
    *,
    base_url: str | None = None,
) -> SandboxResponse:
    """Answer a request.

    Args:
        target: path and query, relative to the sandbox's root.
        base_url: the address at which this request reached the sandbox, without a slash at its
            end.
    """
    path, _, query = target.partition("?")
    names = {name.lower(): value for name, value in headers.items()}
    base = base_url or sandbox.base_url
    request = Request(method.upper(), path, query, names, body, base)
    if path.startswith(("/v1/", "/v2/")):
        return sandbox.answer(request)
    return web.respond(sandbox, request)
