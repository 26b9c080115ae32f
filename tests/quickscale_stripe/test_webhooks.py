from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from stripe import WebhookSignature

from quickscale_credits.models import CreditLot
from quickscale_stripe import handlers, signals, webhooks
from quickscale_stripe.models import Payment, StripeCustomer, StripeEvent, StripePrice
from quickscale_stripe.sandbox import Sandbox
from tests.quickscale_stripe.conftest import SECRET
from tests.quickscale_stripe.shopping import balance, open_checkout

pytestmark = pytest.mark.django_db


def snapshot(**changes: Any) -> dict[str, Any]:
    return {
        "id": "evt_1",
        "object": "event",
        "type": "product.updated",
        "api_version": "2026-10-28.endive",
        "created": 1_790_000_000,
        "livemode": False,
        "data": {"object": {"id": "prod_1", "object": "product"}},
    } | changes


def thin(**changes: Any) -> dict[str, Any]:
    return {
        "id": "evt_thin_1",
        "object": "v2.core.event",
        "type": "v1.product.updated",
        "created": "2026-11-20T10:00:00.000Z",
        "livemode": False,
        "related_object": {"id": "prod_1", "type": "product", "url": "/v1/products/prod_1"},
    } | changes


def post(body: bytes | dict[str, Any], *, secret: str = SECRET, age: int = 0) -> Any:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    moment = int(time.time()) - age
    signed = raw.decode(errors="replace")
    header = WebhookSignature.generate_signature_header(signed, secret, moment)
    return Client(raise_request_exception=False).generic(
        "POST",
        "/stripe/webhook/",
        raw,
        content_type="application/json",
        headers={"Stripe-Signature": header},
    )


@pytest.fixture
def handled(monkeypatch: pytest.MonkeyPatch) -> list[StripeEvent]:
    """Events of products, handed over and not fetched."""
    seen: list[StripeEvent] = []
    monkeypatch.setitem(handlers.HANDLERS, "product.updated", seen.append)
    return seen


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> list[Exception]:
    """While the list has an error, events of products fail with it."""
    errors: list[Exception] = [RuntimeError("no")]

    def fail(event: StripeEvent) -> None:
        if errors:
            raise errors[0]

    monkeypatch.setitem(handlers.HANDLERS, "product.updated", fail)
    return errors


def test_a_purchase_by_webhook_alone(shop: Sandbox, owner: Any, package: StripePrice) -> None:
    session = open_checkout(owner, package)
    shop.pay(session)

    shop.deliver()

    assert {row["state"] for row in shop.deliveries()} == {"delivered"}
    assert Payment.objects.get().status == "succeeded"
    assert balance(owner) == 100


def test_duplicates_and_a_reversed_order_grant_once(
    shop: Sandbox, owner: Any, package: StripePrice
) -> None:
    shop.set_delivery("hold", copies=3)
    shop.pay(open_checkout(owner, package))

    shop.release(backwards=True)
    shop.deliver()

    assert Payment.objects.count() == 1
    assert balance(owner) == 100


def test_a_stored_event(sandbox: Sandbox, handled: list[StripeEvent]) -> None:
    response = post(snapshot())

    event = StripeEvent.objects.get()
    assert response.status_code == 200
    assert handled == [event]
    assert (event.stripe_id, event.type, event.object_id) == ("evt_1", "product.updated", "prod_1")
    assert (event.status, event.attempts, event.livemode) == ("processed", 1, False)
    assert event.api_version == "2026-10-28.endive"
    assert event.payload == snapshot()
    assert event.processed_at


def test_a_processed_event_is_not_handled_again(
    sandbox: Sandbox, handled: list[StripeEvent]
) -> None:
    assert [post(snapshot()).status_code for _ in range(3)] == [200, 200, 200]
    assert len(handled) == 1


def test_a_failure_is_recorded_and_stripe_is_asked_to_send_again(
    sandbox: Sandbox, failing: list[Exception]
) -> None:
    before = timezone.now()
    assert post(snapshot()).status_code == 500

    event = StripeEvent.objects.get()
    assert (event.status, event.attempts, event.error) == ("failed", 1, "RuntimeError: no")
    assert "raise errors[0]" in event.traceback
    assert event.next_attempt_at
    assert event.next_attempt_at >= before + timedelta(seconds=60)

    failing.clear()
    assert post(snapshot()).status_code == 200
    event.refresh_from_db()
    assert (event.status, event.error, event.next_attempt_at) == ("processed", "", None)


def test_what_a_failing_handler_wrote_is_undone(
    sandbox: Sandbox, owner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_and_fail(event: StripeEvent) -> None:
        StripeCustomer.objects.create(owner=owner)
        raise RuntimeError

    monkeypatch.setitem(handlers.HANDLERS, "product.updated", write_and_fail)

    assert post(snapshot()).status_code == 500
    assert not StripeCustomer.objects.exists()


def test_a_constraint_that_is_checked_at_commit_fails_the_event_and_not_the_inbox(
    sandbox: Sandbox, owner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = owner.pk
    owner.delete()

    def refer_to_nobody(event: StripeEvent) -> None:
        Payment.objects.create(
            owner_id=nobody,
            kind="invoice",
            amount=1,
            currency="usd",
            created_at=timezone.now(),
        )

    monkeypatch.setitem(handlers.HANDLERS, "product.updated", refer_to_nobody)

    assert post(snapshot()).status_code == 500
    event = StripeEvent.objects.get()
    assert event.status == "failed"
    assert "IntegrityError" in event.error


def test_after_enough_failures_an_event_is_dead_and_staff_are_told(
    sandbox: Sandbox,
    failing: list[Exception],
    settings: Any,
    django_capture_on_commit_callbacks: Any,
) -> None:
    settings.QUICKSCALE_STRIPE_EVENT_MAX_ATTEMPTS = 2
    told: list[StripeEvent] = []
    signals.event_died.connect(
        lambda event, **kwargs: told.append(event), weak=False, dispatch_uid="test"
    )
    with django_capture_on_commit_callbacks(execute=True):
        post(snapshot())
        post(snapshot())
    signals.event_died.disconnect(dispatch_uid="test")

    event = StripeEvent.objects.get()
    assert (event.status, event.next_attempt_at) == ("dead", None)
    assert told == [event]

    failing.clear()
    assert webhooks.replay(event) is webhooks.Outcome.DONE


def test_retries_back_off(sandbox: Sandbox, failing: list[Exception]) -> None:
    delays = []
    for _ in range(4):
        post(snapshot())
        event = StripeEvent.objects.get()
        assert event.next_attempt_at
        delays.append(round((event.next_attempt_at - timezone.now()).total_seconds()))
    assert delays == [60, 120, 240, 480]


def test_the_periodic_job_takes_what_is_due_and_one_poison_blocks_none(
    sandbox: Sandbox, failing: list[Exception], handled: list[StripeEvent]
) -> None:
    poison = StripeEvent.objects.create(
        stripe_id="evt_poison", type="product.updated", object_id="prod_1",
        livemode=False, payload={},
        created_at=timezone.now() - timedelta(days=1),
    )  # fmt: skip
    waiting = StripeEvent.objects.create(
        stripe_id="evt_waiting", type="product.updated", object_id="prod_1",
        livemode=False, payload={},
        created_at=timezone.now(), status="failed",
        next_attempt_at=timezone.now() + timedelta(hours=1),
    )  # fmt: skip
    good = StripeEvent.objects.create(
        stripe_id="evt_good", type="product.updated", object_id="prod_1",
        livemode=False, payload={},
        created_at=timezone.now(),
    )  # fmt: skip

    def handle(event: StripeEvent) -> None:
        if event == poison:
            raise RuntimeError
        handled.append(event)

    handlers.HANDLERS["product.updated"] = handle
    with pytest.raises(CommandError, match="failed"):
        call_command("replay_events", "--due")

    assert handled == [good]
    waiting.refresh_from_db()
    assert waiting.attempts == 0


def test_replay_by_command(sandbox: Sandbox, handled: list[StripeEvent], capsys: Any) -> None:
    post(snapshot())
    call_command("replay_events", "evt_1")
    assert len(handled) == 2
    assert "1 done" in capsys.readouterr().out


def test_an_event_that_another_worker_has_is_left_to_it(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "quickscale_stripe.webhooks.process", lambda event_id: webhooks.Outcome.BUSY
    )
    assert post(snapshot()).status_code == 409


@pytest.mark.django_db(transaction=True)
def test_a_locked_event_is_skipped_not_waited_for(sandbox: Sandbox) -> None:
    event = StripeEvent.objects.create(
        stripe_id="evt_1", type="x", livemode=False, payload={}, created_at=timezone.now()
    )

    def process() -> webhooks.Outcome:
        try:
            return webhooks.process(event.pk)
        finally:
            connection.close()

    with transaction.atomic(), ThreadPoolExecutor(1) as threads:
        StripeEvent.objects.select_for_update().get()
        assert threads.submit(process).result(timeout=10) is webhooks.Outcome.BUSY


@pytest.mark.django_db(transaction=True)
def test_the_same_event_from_eight_threads_grants_once(
    shop: Sandbox, owner: Any, package: StripePrice
) -> None:
    shop.pay(open_checkout(owner, package))
    (event,) = shop.events("checkout.session.completed")

    def send(_: int) -> int:
        try:
            return int(post(event).status_code)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        statuses = set(threads.map(send, range(8)))

    assert statuses <= {200, 409}
    assert 200 in statuses
    assert CreditLot.objects.count() == 1
    assert balance(owner) == 100


def test_thin_events_are_handled_like_snapshots(
    sandbox: Sandbox, handled: list[StripeEvent]
) -> None:
    response = post(thin(snapshot_event="evt_1"))

    event = StripeEvent.objects.get()
    assert response.status_code == 200
    assert (event.object_id, event.snapshot_id) == ("prod_1", "evt_1")
    assert handled == [event]


@pytest.mark.parametrize("thin_first", [True, False])
def test_the_same_fact_in_both_formats_is_handled_once(
    sandbox: Sandbox, handled: list[StripeEvent], thin_first: bool
) -> None:
    both = [thin(snapshot_event="evt_1"), snapshot()]
    for event in both if thin_first else reversed(both):
        assert post(event).status_code == 200

    assert len(handled) == 1
    assert StripeEvent.objects.count() == 2


def test_unknown_types_are_kept_and_ignored(sandbox: Sandbox) -> None:
    assert post(snapshot(type="issuing_card.created")).status_code == 200
    assert StripeEvent.objects.get().status == "ignored"


@pytest.mark.parametrize(("site", "event"), [(True, False), (False, True)])
def test_events_of_the_other_mode_are_ignored(
    sandbox: Sandbox, handled: list[StripeEvent], settings: Any, site: bool, event: bool
) -> None:
    settings.QUICKSCALE_STRIPE_LIVE_MODE = site
    assert post(snapshot(livemode=event)).status_code == 200
    assert StripeEvent.objects.get().status == "ignored"
    assert not handled


def test_each_of_several_secrets_is_accepted(
    sandbox: Sandbox, handled: list[StripeEvent], settings: Any
) -> None:
    settings.QUICKSCALE_STRIPE_WEBHOOK_SECRET = "whsec_new, whsec_old"
    assert post(snapshot(), secret="whsec_old").status_code == 200
    assert post(snapshot(), secret="whsec_new").status_code == 200
    assert post(snapshot(id="evt_2"), secret=SECRET).status_code == 400


BAD_BODIES = {
    "not UTF-8": b"\xff\xfe",
    "empty": b"",
    "not JSON": b"not json",
    "deep": b"[" * 100_000,
    "huge number": b"1" * 5000,
    "list": b"[]",
    "text": b'"event"',
    "null": b"null",
    "object": b"{}",
    "no id": json.dumps({k: v for k, v in snapshot().items() if k != "id"}).encode(),
    "empty id": json.dumps(snapshot(id="")).encode(),
    "id is a number": json.dumps(snapshot(id=1)).encode(),
    "NUL": json.dumps(snapshot(id="evt_\0")).encode(),
    "NUL within": json.dumps(snapshot(data={"object": {"id": "x", "name": "\0"}})).encode(),
    "half a surrogate": json.dumps(snapshot(type="\ud800")).encode(),
    "half a surrogate within": json.dumps(snapshot(request="\ud800")).encode(),
    "not a number": json.dumps(snapshot(request=float("nan"))).encode(),
    "long id": json.dumps(snapshot(id="e" * 300)).encode(),
    "no data": json.dumps({k: v for k, v in snapshot().items() if k != "data"}).encode(),
    "data is a list": json.dumps(snapshot(data=[])).encode(),
    "object is a list": json.dumps(snapshot(data={"object": ["a"]})).encode(),
    "other object": json.dumps(snapshot(object="charge")).encode(),
    "livemode is text": json.dumps(snapshot(livemode="no")).encode(),
    "created is text": json.dumps(snapshot(created="yesterday")).encode(),
    "created is far": json.dumps(snapshot(created=10**30)).encode(),
    "thin created": json.dumps(thin(created="yesterday")).encode(),
    "thin created is naive": json.dumps(thin(created="2026-11-20T10:00:00")).encode(),
    "thin relation is text": json.dumps(thin(related_object="prod_1")).encode(),
}


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES)
def test_signed_bodies_that_are_no_event_are_bad_requests(sandbox: Sandbox, body: bytes) -> None:
    assert post(body).status_code == 400
    assert not StripeEvent.objects.exists()


@pytest.mark.parametrize("header", [None, "", "t=1", "v1=abc", "t=x,v1=y", "t=1,v0=abc", "\x00,="])
def test_unsigned_requests_store_nothing(sandbox: Sandbox, header: str | None) -> None:
    headers = {} if header is None else {"Stripe-Signature": header}
    response = Client().post(
        "/stripe/webhook/", snapshot(), content_type="application/json", headers=headers
    )
    assert response.status_code == 400
    assert not StripeEvent.objects.exists()


@pytest.mark.parametrize("size", [0, 100, 2**20, 2**20 + 1])
@pytest.mark.parametrize("header", [None, "t=1,v1=00", f"t={{now}},v1={'0' * 64}"])
def test_who_can_not_sign_never_reaches_the_database(
    sandbox: Sandbox, django_assert_num_queries: Any, header: str | None, size: int
) -> None:
    headers = {}
    if header is not None:
        headers["Stripe-Signature"] = header.format(now=int(time.time()))
    with django_assert_num_queries(0):
        response = Client().generic(
            "POST", "/stripe/webhook/", b"x" * size, "application/json", headers=headers
        )
    assert response.status_code == (413 if size > 2**20 else 400)


def test_an_old_signature_is_refused(sandbox: Sandbox) -> None:
    assert post(snapshot(), age=301).status_code == 400


def test_a_body_that_is_too_large_is_refused(sandbox: Sandbox, settings: Any) -> None:
    settings.QUICKSCALE_STRIPE_WEBHOOK_MAX_BYTES = 100
    assert post(snapshot()).status_code == 413


def test_without_a_secret_everything_is_refused(sandbox: Sandbox, settings: Any) -> None:
    settings.QUICKSCALE_STRIPE_WEBHOOK_SECRET = ""
    assert post(snapshot(), secret="").status_code == 400


def test_while_payments_are_off_stripe_is_asked_to_come_back(settings: Any) -> None:
    settings.QUICKSCALE_STRIPE_SECRET_KEY = ""
    assert post(snapshot()).status_code == 503


def test_only_post(sandbox: Sandbox) -> None:
    assert Client().get("/stripe/webhook/").status_code == 405


def test_neither_csrf_nor_a_site_wide_login_is_in_the_way(
    sandbox: Sandbox, handled: list[StripeEvent], settings: Any
) -> None:
    settings.MIDDLEWARE = [
        *settings.MIDDLEWARE,
        "django.contrib.auth.middleware.LoginRequiredMiddleware",
    ]
    body = json.dumps(snapshot())
    response = Client(enforce_csrf_checks=True).post(
        "/stripe/webhook/",
        body,
        content_type="application/json",
        headers={"Stripe-Signature": WebhookSignature.generate_signature_header(body, SECRET)},
    )
    assert response.status_code == 200


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(key=st.sampled_from([*snapshot(), "request"]), value=json_values, thin_format=st.booleans())
def test_no_mutation_of_an_event_is_a_server_error(
    sandbox: Sandbox, handled: list[StripeEvent], key: str, value: Any, thin_format: bool
) -> None:
    body = (thin if thin_format else snapshot)(**{key: value})
    with transaction.atomic():
        response = post(json.dumps(body).encode())
        transaction.set_rollback(True)
    assert response.status_code in (200, 400)


@hypothesis_settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(body=st.binary())
def test_no_bytes_are_a_server_error(sandbox: Sandbox, body: bytes) -> None:
    assert post(body).status_code == 400


class TestTasks:
    """Events that a worker of Django's tasks handles."""

    @pytest.fixture(autouse=True)
    def on(self, settings: Any) -> None:
        pytest.importorskip("django.tasks", reason="Django 6.0 has tasks")
        settings.QUICKSCALE_STRIPE_WEBHOOK_TASKS = True

    def test_stripe_is_answered_before_the_event_is_handled(
        self, shop: Sandbox, owner: Any, package: StripePrice, settings: Any
    ) -> None:
        settings.TASKS = {"default": {"BACKEND": "django.tasks.backends.dummy.DummyBackend"}}
        shop.pay(open_checkout(owner, package))
        shop.deliver()
        assert {row["answer"] for row in shop.deliveries()} == {"200 queued"}
        assert {event.status for event in StripeEvent.objects.all()} == {"received"}
        assert balance(owner) == 0

        # No worker ever took them.
        call_command("replay_events", "--due")
        assert balance(owner) == 100

    def test_a_worker_handles_it(
        self, shop: Sandbox, owner: Any, package: StripePrice, settings: Any
    ) -> None:
        settings.TASKS = {
            "default": {"BACKEND": "django.tasks.backends.immediate.ImmediateBackend"}
        }
        shop.set_delivery(copies=2)
        shop.pay(open_checkout(owner, package))
        shop.deliver()
        assert balance(owner) == 100
        assert Payment.objects.count() == 1

    def test_a_failure_waits_for_its_next_attempt(
        self, sandbox: Sandbox, failing: list[Exception], settings: Any
    ) -> None:
        settings.TASKS = {
            "default": {"BACKEND": "django.tasks.backends.immediate.ImmediateBackend"}
        }
        assert post(snapshot()).status_code == 200
        assert StripeEvent.objects.get().status == "failed"
        failing.clear()
        StripeEvent.objects.update(next_attempt_at=timezone.now())
        call_command("replay_events", "--due")
        assert StripeEvent.objects.get().status == "processed"
