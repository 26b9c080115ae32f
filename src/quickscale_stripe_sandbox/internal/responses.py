"""Requests to the sandbox and its responses, independent of the transport."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl


@dataclass(frozen=True)
class SandboxResponse:
    """A response for an adapter to send."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Request:
    """One HTTP request. Header names are in lower case.

    ``base`` is the address at which the sandbox was reached, without a slash at its end.
    """

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    base: str

    @property
    def is_json(self) -> bool:
        return self.headers.get("content-type", "").startswith("application/json")

    @cached_property
    def form(self) -> dict[str, Any]:
        """The body's values, from a form or a JSON object; empty if it is neither."""
        text = self.body.decode(errors="replace")
        if not self.is_json:
            return dict(parse_qsl(text, keep_blank_values=True))
        try:
            values = json.loads(text or "{}")
        except ValueError:
            return {}
        return values if isinstance(values, dict) else {}


def redirect(url: str) -> SandboxResponse:
    return SandboxResponse(303, {"Location": url})


def answer_json(value: Any, status: int = 200) -> SandboxResponse:
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    return SandboxResponse(status, headers, json.dumps(value).encode())
