"""Reach the sandbox from the ``stripe`` package within one process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import stripe

from quickscale_stripe_sandbox.internal.engine import Sandbox
from quickscale_stripe_sandbox.internal.http import respond


class SandboxHTTPClient(stripe.HTTPClient):
    """An HTTP client for ``stripe.StripeClient(..., http_client=...)`` that opens no connection."""

    name = "sandbox"

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__()
        self.sandbox = sandbox

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,
        *,
        _usage: list[str] | None = None,
    ) -> tuple[str, int, Mapping[str, str]]:
        parts = urlsplit(url)
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        body = post_data.encode() if isinstance(post_data, str) else post_data or b""
        answer = respond(self.sandbox, method, target, headers or {}, body)
        # The SDK looks header names up in lower case, as the mapping of a real client allows.
        names = {name.lower(): value for name, value in answer.headers.items()}
        return answer.body.decode(), answer.status, names | answer.headers

    async def request_async(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        post_data: Any = None,
    ) -> tuple[bytes, int, Mapping[str, str]]:
        text, status, names = self.request(method, url, headers, post_data)
        return text.encode(), status, names

    def close(self) -> None:
        """Nothing is open."""

    async def close_async(self) -> None:
        """Nothing is open."""
