"""Webhooks are signed, retried, and sent in the order that a test asks for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import stripe

from quickscale_stripe_sandbox import Sandbox, SandboxHTTPClient

from .conftest import KEY

URL = "http://site.example/stripe/webhook/"


class Site:
    """Keeps the events posted to it, and answers with the statuses in ``answers``."""

    def __init__(self, client: stripe.StripeClient, secret: str) -> None:
        self.client, self.secret = client, secret
        self.events: list[Any] = []
        self.answers: list[int] = []

    def __call__(self, url: str, headers: dict[str, str], body: bytes) -> tuple[int, str]:
        assert url == URL
        event = self.client.construct_event(body, headers["Stripe-Signature"], self.secret)
        self.events.append(event)
        return (self.answers.pop(0) if self.answers else 200), "answer"

    @property
    def names(self) -> list[str]:
        return [event.data.object.name for event in self.events]


@pytest.fixture
def site(sandbox: Sandbox, client: stripe.StripeClient) -> Site:
    site = Site(client, sandbox.add_endpoint(URL, events=("customer.created",)))
    sandbox.transport = site
    return site


def create(client: stripe.StripeClient, *names: str) -> None:
    for name in names:
        client.v1.customers.create({"name": name})


def test_events_are_signed_and_carry_the_request(
    sandbox: Sandbox, client: stripe.StripeClient, site: Site
) -> None:
    client.v1.customers.create({"name": "a"}, {"idempotency_key": "k"})
    assert site.events == []
    assert sandbox.deliver() == 1
    [event] = site.events
    assert (event.type, event.api_version) == ("customer.created", stripe.api_version)
    assert event.request.idempotency_key == "k"
    assert client.v1.events.retrieve(event.id).type == "customer.created"
    assert sandbox.deliver() == 0
    assert [row["state"] for row in sandbox.deliveries()] == ["delivered"]


def test_an_endpoint_gets_the_events_that_it_asked_for(
    sandbox: Sandbox, client: stripe.StripeClient, site: Site
) -> None:
    client.v1.products.create({"name": "x"})
    assert sandbox.deliver() == 0
    [endpoint] = client.v1.webhook_endpoints.list().data
    assert "secret" not in endpoint
    client.v1.webhook_endpoints.update(endpoint.id, {"enabled_events": ["*"]})
    client.v1.products.create({"name": "x"})
    assert sandbox.deliver() == 1
    client.v1.webhook_endpoints.update(endpoint.id, {"disabled": True})
    client.v1.products.create({"name": "x"})
    assert sandbox.deliver() == 0


@pytest.fixture
def clock_ahead(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Sets the clock of the process ahead by that many seconds."""
    now = time.time
    return lambda seconds: monkeypatch.setattr(time, "time", lambda: now() + seconds)


def test_a_failure_is_tried_again_until_it_has_failed(
    sandbox: Sandbox,
    client: stripe.StripeClient,
    site: Site,
    clock_ahead: Callable[[int], None],
) -> None:
    def deliver() -> int:
        """Deliver now and whenever a failed delivery is due again."""
        tried = 0
        for seconds in (0, 10, 60, 600):
            clock_ahead(seconds)
            tried += sandbox.deliver()
        clock_ahead(0)
        return tried

    site.answers = [500, 302, 200]
    create(client, "a")
    assert deliver() == 3
    assert site.names == ["a", "a", "a"]
    assert (
        sandbox.deliveries()[0] | {"state": "delivered", "attempts": 3} == (sandbox.deliveries()[0])
    )
    site.answers = [500, 500, 500, 500]
    create(client, "b")
    assert deliver() == 4
    [failed] = [row for row in sandbox.deliveries() if row["state"] == "failed"]
    assert failed["answer"] == "500 answer"
    undelivered = client.v1.events.list({"delivery_success": False})
    assert [event.id for event in undelivered.data] == [failed["event"]]


def test_a_retry_waits(sandbox: Sandbox, client: stripe.StripeClient, site: Site) -> None:
    site.answers = [500]
    create(client, "a")
    before = time.time()
    assert sandbox.deliver() == 1
    assert sandbox.deliver() == 0
    assert sandbox.deliveries()[0]["at"] > before + 3


def test_nobody_listens(sandbox: Sandbox, client: stripe.StripeClient) -> None:
    sandbox.add_endpoint("http://127.0.0.1:1/")
    create(client, "a")
    assert sandbox.deliver() == 1
    [row] = sandbox.deliveries()
    assert (row["state"], row["attempts"]) == ("pending", 1)
    assert "refused" in row["answer"]


def test_copies(sandbox: Sandbox, client: stripe.StripeClient, site: Site) -> None:
    sandbox.set_delivery(copies=2)
    create(client, "a")
    sandbox.deliver()
    assert site.names == ["a", "a"]
    assert site.events[0].id == site.events[1].id


@pytest.mark.parametrize(("backwards", "order"), [(False, "abc"), (True, "cba")])
def test_held_events_are_released_in_either_order(
    sandbox: Sandbox, client: stripe.StripeClient, site: Site, backwards: bool, order: str
) -> None:
    sandbox.set_delivery("hold")
    create(client, "a", "b", "c")
    assert sandbox.deliver() == 0
    sandbox.release(backwards=backwards)
    sandbox.deliver()
    assert "".join(site.names) == order


def test_before_the_answer(sandbox: Sandbox, client: stripe.StripeClient, site: Site) -> None:
    sandbox.set_delivery("first")
    create(client, "a")
    assert site.names == ["a"]


def test_delayed(sandbox: Sandbox, client: stripe.StripeClient, site: Site) -> None:
    sandbox.set_delivery(delay=60)
    create(client, "a")
    assert sandbox.deliver() == 0


def test_resent(sandbox: Sandbox, client: stripe.StripeClient, site: Site) -> None:
    create(client, "a")
    sandbox.deliver()
    sandbox.resend(site.events[0].id)
    sandbox.resend(site.events[0].id)
    sandbox.deliver()
    assert site.names == ["a", "a", "a"]


def test_an_endpoint_that_is_registered_again_replaces_itself(
    sandbox: Sandbox, client: stripe.StripeClient
) -> None:
    sandbox.add_endpoint(URL)
    create(client, "lost")
    assert sandbox.add_endpoint(URL, secret="whsec_known") == "whsec_known"
    assert len(client.v1.webhook_endpoints.list().data) == 1
    assert sandbox.deliver(lambda *args: (200, "")) == 1
    assert sandbox.deliveries() == []


def test_thin_events_name_the_object_and_their_snapshot(
    sandbox: Sandbox, client: stripe.StripeClient, site: Site
) -> None:
    thin_secret = sandbox.add_endpoint(URL, events=("customer.created",), thin=True)
    create(client, "a")
    notes: list[Any] = []

    def receive(url: str, headers: dict[str, str], body: bytes) -> tuple[int, str]:
        try:
            site(url, headers, body)
        except stripe.SignatureVerificationError:
            signature = headers["Stripe-Signature"]
            notes.append(client.parse_event_notification(body, signature, thin_secret))
        return 200, ""

    sandbox.deliver(receive)
    [event], [note] = site.events, notes
    assert note.type == "v1.customer.created"
    assert note.related_object.id == event.data.object.id
    assert note.fetch_related_object().name == "a"
    assert note.fetch_event().snapshot_event == event.id
    assert note.reason.request.id == event.request.id


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((self.headers["Stripe-Signature"], body))  # type: ignore[attr-defined]
        self.send_response(self.server.statuses.pop(0))  # type: ignore[attr-defined]
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def listener() -> Iterator[Any]:
    server: Any = HTTPServer(("127.0.0.1", 0), _Handler)
    server.received, server.statuses = [], []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_thread_delivers_in_the_background(tmp_path: Path, listener: Any) -> None:
    listener.statuses = [302, 200]
    sandbox = Sandbox(tmp_path / "stripe.sqlite3", background=True)
    secret = sandbox.add_endpoint(f"http://127.0.0.1:{listener.server_port}/")
    client = stripe.StripeClient(KEY, http_client=SandboxHTTPClient(sandbox))
    create(client, "a", "b")
    deadline = time.monotonic() + 20
    while len(listener.received) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    sandbox.close()
    names = []
    for signature, body in listener.received:
        event: Any = client.construct_event(body, signature, secret)
        names.append(event.data.object.name)
    assert names == ["a", "b"]
    first, second = reversed(sandbox.deliveries())
    assert (first["state"], first["answer"]) == ("pending", "302")
    assert second["state"] in {"delivered", "sending"}


def test_a_site_that_moves_to_another_port_leaves_no_endpoint_behind(sandbox: Sandbox) -> None:
    sandbox.add_endpoint("http://another.example/hook/", secret="whsec_other")
    sandbox.forward_to("http://127.0.0.1:8000/stripe/webhook/", secret="whsec_a")
    sandbox.forward_to("http://127.0.0.1:8002/stripe/webhook/", secret="whsec_b")
    with sandbox.world() as world:
        endpoints = {one["url"]: one["_secret"] for one in world.all("webhook_endpoint")}
    assert endpoints == {
        "http://another.example/hook/": "whsec_other",
        "http://127.0.0.1:8002/stripe/webhook/": "whsec_b",
    }
