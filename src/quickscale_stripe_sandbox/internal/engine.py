"""The sandbox itself: its API, and the methods that tests and the pages use."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from quickscale_stripe_sandbox.internal import contract, deliveries, routes, seed, thin
from quickscale_stripe_sandbox.internal.errors import ApiError, invalid
from quickscale_stripe_sandbox.internal.methods import find_method
from quickscale_stripe_sandbox.internal.responses import Request, SandboxResponse
from quickscale_stripe_sandbox.internal.store import Store
from quickscale_stripe_sandbox.internal.world import API_VERSION, Object, World, public, token
from quickscale_stripe_sandbox.operations import checkout, payments, refunds, webhooks


class Sandbox:
    """A stand-in for one Stripe account, stored in the SQLite file ``path``.

    Args:
        path: several processes may share a file; ``":memory:"`` is for this process only.
        base_url: the address of the hosted pages, if a request doesn't give it.
        transport: sends webhooks; by default by HTTP.
        background: whether a thread delivers webhooks and runs the clock. Without it,
            :meth:`deliver` does both when it is called.
    """

    def __init__(
        self,
        path: str | Path = ":memory:",
        *,
        base_url: str = "http://127.0.0.1:12111",
        transport: deliveries.Transport = deliveries.send_over_http,
        background: bool = False,
    ) -> None:
        routes.operations()
        self.store = Store(path)
        self.base_url = base_url.rstrip("/")
        self.transport = transport
        self._background = background
        self._worker: threading.Thread | None = None
        self._wake = threading.Event()
        self._stopped = False

    # Requests

    def answer(self, request: Request) -> SandboxResponse:
        """Answer a request to the API."""
        request_id = f"req_{token(14)}"
        key = request.headers.get("idempotency-key") if request.method == "POST" else None
        sent = {"Content-Type": "application/json", "Request-Id": request_id}
        try:
            self._authenticate(request.headers)
            version = request.headers.get("stripe-version", API_VERSION)
            if version != API_VERSION:
                raise invalid(f"Invalid Stripe API version: {version}")
            sent["Stripe-Version"] = API_VERSION
            text = request.body.decode(errors="replace")
            raw = contract.parse_form(text if request.method == "POST" else request.query)
            if "stripe-version" not in request.headers:
                raw = contract.without_removed(raw)
            with self.world(request.base, request=request_id, key=key) as world:
                if key is None:
                    status, text = self._run(world, request.method, request.path, raw)
                else:
                    sent["Idempotency-Key"] = key
                    status, text, original = self._once(world, key, request.path, raw)
                    sent["Original-Request"] = original
                    if original != request_id:
                        sent["Idempotent-Replayed"] = "true"
        except ApiError as error:
            status, text = error.status, json.dumps({"error": error.error})
        return SandboxResponse(status, sent, text.encode())

    def _authenticate(self, headers: dict[str, str]) -> None:
        scheme, _, credentials = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            credentials = base64.b64decode(credentials).decode(errors="replace").partition(":")[0]
        if not credentials:
            raise ApiError("You did not provide an API key.", status=401)
        if not credentials.startswith(("sk_test_", "rk_test_")):
            raise ApiError(f"Invalid API Key provided: {credentials[:8]}****", status=401)

    def _once(self, world: World, key: str, path: str, raw: Object) -> tuple[int, str, str]:
        """Return the response to a request with a key, and the id of the request that ran for it.

        docs.stripe.com/api/idempotent_requests: a refused request isn't remembered.
        """
        facts = json.dumps([path, raw], sort_keys=True)
        if len(key) > 255:
            raise invalid("Idempotency keys can be up to 255 characters long.")
        if row := world.rows.remembered(key):
            if row["request"] != facts:
                raise ApiError(
                    "Keys for idempotent requests can only be used with the same parameters they"
                    f" were first used with. Try using a key other than '{key}' if you meant to"
                    " execute a different request.",
                    type="idempotency_error",
                )
            return row["status"], row["body"], row["request_id"]
        status, text = self._run(world, "POST", path, raw)
        request_id = world.request or ""
        world.rows.remember(key, facts, request_id, status, text, time.time())
        return status, text, request_id

    def _run(self, world: World, method: str, path: str, raw: Object) -> tuple[int, str]:
        if method == "GET" and path.startswith("/v2/core/events/"):
            return 200, json.dumps(thin.retrieve(world, path.rpartition("/")[2]))
        found = routes.match(method, path)
        if found is None:
            raise ApiError(
                f"Unrecognized request URL ({method}: {path}), or one that the sandbox lacks.",
                status=404,
            )
        operation, handler, ids = found
        params = contract.Params(contract.check_params(operation.params, raw))
        expand = params.pop("expand", [])
        try:
            answer = handler(world, params, *ids)
            params.check_read()
            return 200, json.dumps(world.expand(answer, expand))
        except ApiError as error:
            if not error.keep:
                raise
            return error.status, json.dumps({"error": error.error})

    # Worlds

    @contextmanager
    def world(
        self, base_url: str | None = None, *, request: str | None = None, key: str | None = None
    ) -> Iterator[World]:
        """Open a transaction on the account, after running the tasks that are due."""
        base_url = base_url or self.base_url
        with self.store.transaction() as rows:
            World(rows, base_url).tick()
        with self.store.transaction() as rows:
            yield World(rows, base_url, request=request, key=key)
            first = rows.setting("delivery", {}).get("when") == "first"
        if first:
            self.deliver()
        self._nudge()

    # Methods for tests and the control page

    def pay(
        self,
        session_id: str,
        method: str = "card",
        *,
        email: str | None = "buyer@example.com",
        name: str | None = "Sam Buyer",
        base_url: str | None = None,
    ) -> checkout.Step:
        """Pay as a person does on the hosted page.

        Args:
            method: ``card``, ``declined``, ``insufficient_funds``, ``authenticate``,
                ``bank_success``, ``bank_failure`` or ``renewal_declined``.

        Returns:
            the address to go to next, or the error that the page shows
        """
        chosen = find_method(method)
        if chosen is None:
            raise ValueError(f"{method!r} is not a payment method of the sandbox.")
        with self.world(base_url) as world:
            session = world.get("checkout.session", session_id)
            return checkout.pay(world, session, chosen, email=email, name=name)

    def enter_code(self, session_id: str, code: str) -> str:
        """Type a promotion code on the hosted page; return the error that it shows, or "".

        An empty code removes the discount.
        """
        try:
            with self.world() as world:
                checkout.enter_code(world, world.get("checkout.session", session_id), code)
        except ApiError as error:
            return str(error)
        return ""

    def answer_bank(
        self, intent_id: str, *, approved: bool, base_url: str | None = None
    ) -> checkout.Step:
        """Answer as a person does on the bank's 3-D Secure page."""
        with self.world(base_url) as world:
            intent = world.get("payment_intent", intent_id)
            return checkout.answer_bank(world, intent, approved=approved)

    def settle(self, intent_id: str) -> None:
        """Let the bank respond to a debit at once."""
        with self.world() as world:
            payments.settle(world, intent_id)

    def refund(self, charge_id: str, *, amount: int | None = None) -> str:
        """Refund a charge, or a part of it in minor units, as Stripe's dashboard does."""
        params = {"charge": charge_id} | ({} if amount is None else {"amount": amount})
        with self.world() as world:
            return str(refunds.create(world, params)["id"])

    def fail_refund(self, refund_id: str) -> None:
        """Let the bank send a refund back."""
        with self.world() as world:
            refunds.fail(world, world.get("refund", refund_id))

    def dispute(self, charge_id: str, *, amount: int | None = None, inquiry: bool = False) -> str:
        """Let a buyer's bank dispute a charge; an inquiry moves no money. Return the id.

        ``amount`` is in minor units; by default what isn't refunded yet.
        """
        with self.world() as world:
            charge = world.get("charge", charge_id)
            opened = refunds.open_dispute(world, charge, amount=amount, inquiry=inquiry)
        return str(opened["id"])

    def close_dispute(self, dispute_id: str, *, won: bool) -> None:
        """Let the bank decide a dispute."""
        with self.world() as world:
            refunds.close_dispute(world, world.get("dispute", dispute_id), won=won)

    def reopen_dispute(self, dispute_id: str) -> None:
        """Let the bank appeal a dispute that was won."""
        with self.world() as world:
            refunds.reopen_dispute(world, world.get("dispute", dispute_id))

    def seed(self) -> bool:
        """Make a small catalogue, unless there is one; return whether it did."""
        with self.world() as world:
            return seed.seed(world)

    def advance(self, *, days: int = 0, seconds: int = 0) -> None:
        """Move the clock forward; renewals, settlements and expiries on the way happen."""
        with self.world() as world:
            world.advance(days * 86400 + seconds)

    def add_endpoint(
        self,
        url: str,
        *,
        secret: str | None = None,
        events: tuple[str, ...] = ("*",),
        thin: bool = False,
    ) -> str:
        """Register a webhook endpoint, or replace the one at this address; return its secret.

        A ``thin`` endpoint gets notifications that only name the object, in addition to any other
        endpoint.
        """
        with self.world() as world:
            for endpoint in world.all("webhook_endpoint", url=url, _thin=thin):
                world.rows.remove(endpoint["id"])
            created = webhooks.new_endpoint(world, url, list(events), secret, _thin=thin)
        return str(created["secret"])

    def forward_to(self, url: str, *, secret: str | None = None) -> str:
        """Register the webhook of a running site; return its secret.

        This removes the endpoint of an earlier run at another port.
        """
        with self.world() as world:
            for endpoint in world.all("webhook_endpoint", _forwarded=True):
                world.rows.remove(endpoint["id"])
        secret = self.add_endpoint(url, secret=secret)
        with self.world() as world:
            [endpoint] = world.all("webhook_endpoint", url=url, _thin=False)
            world.save(endpoint | {"_forwarded": True})
        return secret

    def set_delivery(
        self,
        when: Literal["after", "first", "hold"] = "after",
        *,
        copies: int = 1,
        delay: float = 0,
    ) -> None:
        """Set how future events are delivered.

        Args:
            when: after the response to the request that caused them, before it, or not until
                :meth:`release`.
            copies: how often to deliver each.
            delay: seconds to wait.
        """
        with self.store.transaction() as rows:
            rows.set("delivery", {"when": when, "copies": copies, "delay": delay})

    def release(self, *, backwards: bool = False) -> None:
        """Release the events that are held, in their order or in reverse."""
        order = "DESC" if backwards else "ASC"
        with self.store.transaction() as rows:
            held = rows.execute(
                f"SELECT seq FROM delivery WHERE state = 'held' ORDER BY seq {order}"  # noqa: S608
            ).fetchall()
            now = time.time()
            for index, row in enumerate(held):
                rows.execute(
                    "UPDATE delivery SET state = 'pending', at = ? WHERE seq = ?",
                    [now - 1 + index / 1e6, row["seq"]],
                )
        self._nudge()

    def resend(self, event_id: str) -> None:
        """Deliver an event again to each endpoint that it went to."""
        with self.store.transaction() as rows:
            rows.execute(
                "INSERT INTO delivery (event, endpoint, state, at)"
                " SELECT DISTINCT event, endpoint, 'pending', ? FROM delivery WHERE event = ?",
                [time.time(), event_id],
            )
        self._nudge()

    def deliver(self, transport: deliveries.Transport | None = None) -> int:
        """Send the deliveries that are due now; return how many were tried."""
        return deliveries.deliver_due(self.store, transport or self.transport)

    def events(self, *types: str) -> list[Object]:
        """Return the events so far, oldest first; only those of ``types`` if any are given."""
        with self.store.transaction() as rows:
            found = reversed(rows.of_kind("event"))
            return [public(event) for event in found if not types or event["type"] in types]

    def deliveries(self) -> list[dict[str, Any]]:
        """Return the log of deliveries, newest first."""
        with self.store.transaction() as rows:
            return [dict(row) for row in rows.execute("SELECT * FROM delivery ORDER BY seq DESC")]

    # The background thread

    def _nudge(self) -> None:
        if not self._background or self._stopped:
            return
        if self._worker is None or not self._worker.is_alive():
            self._worker = threading.Thread(target=self._work, name="stripe-sandbox", daemon=True)
            self._worker.start()
        self._wake.set()

    def _work(self) -> None:
        while not self._stopped:
            self._wake.wait(timeout=1)
            self._wake.clear()
            with self.store.transaction() as rows:
                World(rows, self.base_url).tick()
            self.deliver()

    def close(self) -> None:
        """End the background thread and close the file."""
        self._stopped = True
        self._wake.set()
        if self._worker:
            self._worker.join(timeout=5)
        self.store.close()
