"""Check a site's own calls to Stripe against what the SDK declares, in tests."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from stripe import StripeObject

from quickscale_stripe_sandbox.client import SandboxHTTPClient
from quickscale_stripe_sandbox.internal import contract, shapes
from quickscale_stripe_sandbox.internal.engine import Sandbox
from quickscale_stripe_sandbox.internal.world import API_VERSION

#: POSTs that move money or promise to; each needs an idempotency key from the caller.
MONEY = re.compile(
    r"/v1/(charges|checkout/sessions|invoices(/[^/]+/pay)?|payment_intents(/[^/]+/confirm)?"
    r"|refunds|subscription_schedules(/[^/]+)?|subscriptions(/[^/]+)?)"
)
# The keys that the SDK invents when the caller gives none: a new one for each call.
_RANDOM_KEY = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Recorded:
    """A request and the status of its response; ``params`` are nested dicts of texts."""

    method: str
    path: str
    params: dict[str, Any]
    idempotency_key: str | None
    status: int


class RecordingHTTPClient(SandboxHTTPClient):
    """Records every request in ``requests``, and refuses those that no site should send.

    Raises:
        AssertionError: the API version isn't the SDK's, a money POST has no idempotency key of its
            own, or the SDK doesn't declare a parameter or a field of the response.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        self.requests: list[Recorded] = []

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,
        *,
        _usage: list[str] | None = None,
    ) -> tuple[str, int, Mapping[str, str]]:
        headers = headers or {}
        parts = urlsplit(url)
        key = headers.get("Idempotency-Key")
        _expect(headers.get("Stripe-Version") == API_VERSION, f"{url}: the version isn't pinned")
        if method.upper() == "POST" and MONEY.fullmatch(parts.path):
            own = key is not None and not _RANDOM_KEY.fullmatch(key)
            _expect(own, f"{url}: a money POST without an idempotency key of its own")
        text, status, names = super().request(method, url, headers, post_data)
        form = post_data if method.upper() == "POST" else parts.query
        params = contract.parse_form(form or "")
        self.requests.append(Recorded(method.upper(), parts.path, params, key, status))
        answer = json.loads(text)
        if status in {400, 404} and (error := answer["error"]):
            broken = str(error.get("code", "")).startswith("parameter_") or (
                error["message"].startswith(("Invalid ", "Unrecognized request URL"))
            )
            _expect(not broken, f"{method.upper()} {parts.path}: {error['message']}")
        elif status == 200:
            _expect(not (extra := list(shapes.undeclared(answer))), f"undeclared: {extra}")
        return text, status, names


def _expect(holds: bool, complaint: str) -> None:
    if not holds:
        raise AssertionError(complaint)


@contextmanager
def strict_reads() -> Iterator[None]:
    """Make reading a field that the object's class doesn't declare fail.

    A sample object may still have a field that the API has dropped. Code that reads it works in
    tests and breaks with Stripe.

    Raises:
        AssertionError: within the block, on such a read.
    """
    read, contains = StripeObject.__getitem__, StripeObject.__contains__

    def check(value: StripeObject, key: object) -> None:
        cls: Any = type(value)
        declared = shapes.fields_of_class(cls)
        if declared and key not in declared and key not in {"id", "object"}:
            raise AssertionError(f"{cls.__qualname__} declares no field {key!r}")

    def strict_read(self: StripeObject, key: str) -> Any:
        check(self, key)
        return read(self, key)

    def strict_contains(self: StripeObject, key: object) -> bool:
        check(self, key)
        return contains(self, key)

    StripeObject.__getitem__ = strict_read  # type: ignore[method-assign]
    StripeObject.__contains__ = strict_contains  # type: ignore[method-assign]
    try:
        yield
    finally:
        StripeObject.__getitem__ = read  # type: ignore[method-assign]
        StripeObject.__contains__ = contains  # type: ignore[method-assign]
