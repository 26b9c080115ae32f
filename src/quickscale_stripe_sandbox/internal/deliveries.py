"""Send events to webhook endpoints: signed, retried, and in any order that a test asks for."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any, TypeAlias

from stripe import WebhookSignature

from quickscale_stripe_sandbox.internal.store import Store
from quickscale_stripe_sandbox.internal.thin import notification
from quickscale_stripe_sandbox.internal.world import public

#: Sends a body to an address with headers, and returns the response's status and text.
Transport: TypeAlias = Callable[[str, dict[str, str], bytes], tuple[int, str]]

#: Seconds until the next try after each failure; after the last, the delivery has failed.
RETRY_AFTER = (5, 30, 300)
_LEASE = 60


def send_over_http(url: str, headers: dict[str, str], body: bytes) -> tuple[int, str]:
    request = urllib.request.Request(url, data=body, headers=headers, method="POST")  # noqa: S310
    opener = urllib.request.build_opener(_NoRedirects)
    try:
        with opener.open(request, timeout=30) as response:
            return response.status, response.read(2000).decode(errors="replace")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(2000).decode(errors="replace")


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Stripe counts a redirect as a failure."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def deliver_due(store: Store, transport: Transport = send_over_http) -> int:
    """Send all deliveries that are due, oldest first; return how many were tried."""
    count = 0
    while delivery := _claim(store):
        status, answer = _send(delivery, transport)
        _record(store, delivery, status, answer)
        count += 1
    return count


def _claim(store: Store) -> dict[str, Any] | None:
    """Take one delivery for this process; a process that died loses it after the lease."""
    with store.transaction() as rows:
        now = time.time()
        row = rows.execute(
            "SELECT * FROM delivery WHERE state IN ('pending', 'sending') AND at <= ?"
            " ORDER BY at, seq LIMIT 1",
            [now],
        ).fetchone()
        if row is None:
            return None
        endpoint, event = rows.get(row["endpoint"]), rows.get(row["event"])
        if endpoint is None or event is None:
            rows.execute("DELETE FROM delivery WHERE seq = ?", [row["seq"]])
            return {"gone": True}
        rows.execute(
            "UPDATE delivery SET state = 'sending', at = ?, attempts = attempts + 1 WHERE seq = ?",
            [now + _LEASE, row["seq"]],
        )
    return {
        "seq": row["seq"],
        "attempts": row["attempts"] + 1,
        "url": endpoint["url"],
        "secret": endpoint["_secret"],
        "body": json.dumps(notification(event) if endpoint["_thin"] else public(event), indent=2),
    }


def _send(delivery: dict[str, Any], transport: Transport) -> tuple[int, str]:
    if delivery.get("gone"):
        return 0, ""
    # The signature has the real time, which the receiver compares with its own clock.
    signature = WebhookSignature.generate_signature_header(delivery["body"], delivery["secret"])
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "Stripe-Signature": signature,
        "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks; sandbox)",
    }
    try:
        return transport(delivery["url"], headers, delivery["body"].encode())
    except OSError as error:
        return 0, str(error)


def _record(store: Store, delivery: dict[str, Any], status: int, answer: str) -> None:
    if delivery.get("gone"):
        return
    tries = delivery["attempts"]
    if 200 <= status < 300:
        state, at = "delivered", time.time()
    elif tries <= len(RETRY_AFTER):
        state, at = "pending", time.time() + RETRY_AFTER[tries - 1]
    else:
        state, at = "failed", time.time()
    with store.transaction() as rows:
        rows.execute(
            "UPDATE delivery SET state = ?, at = ?, answer = ? WHERE seq = ?",
            [state, at, f"{status} {answer[:500]}".strip(), delivery["seq"]],
        )
