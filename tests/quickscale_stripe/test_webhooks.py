from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import stripe
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.models import Model
from django.db.models.signals import post_save
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from stripe import WebhookSignature

from quickscale_credits.models import CreditLot
from quickscale_stripe import signals
from quickscale_stripe.billing import customers
from quickscale_stripe.catalogue import mirror
from quickscale_stripe.client import get_client
from quickscale_stripe.events import handlers, inbox
from quickscale_stripe.exceptions import StripeRefusedError
from quickscale_stripe.models import (
    Payment,
    StripeCustomer,
    StripeEvent,
    StripePrice,
    StripeProduct,
)
from quickscale_stripe_sandbox import Sandbox
from quickscale_stripe_sandbox.recording import RecordingHTTPClient
from tests.quickscale_stripe.conftest import UseClient
from tests.quickscale_stripe.shopping import SECRET, balance, open_checkout

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


def post(
    body: bytes | dict[str, Any], *, secret: str = SECRET, age: int = 0, **environ: Any
) -> Any:
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
        **environ,
    )


class Products(RecordingHTTPClient):
    """Notes which products are fetched; while ``errors`` has one, fetching ``prod_1`` fails."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        self.fetched: list[str] = []
        self.errors: list[Exception] = []

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        folder, _, product = url.rpartition("/")
        if folder.endswith("/v1/products"):
            if self.errors and product == "prod_1":
                raise self.errors[0]
            self.fetched.append(product)
        return super().request(method, url, *args, **kwargs)


def make_product(product_id: str) -> None:
    """Make a product that this site knows."""
    get_client().v1.products.create({"id": product_id, "name": "Starter pack"})
    mirror.sync_product(product_id)


@pytest.fixture
def products(sandbox: Sandbox, use_client: UseClient) -> Products:
    """The client of a Stripe that has ``prod_1``."""
    make_product("prod_1")
    client = Products(sandbox)
    use_client(client)
    return client


@pytest.fixture
def handled(products: Products) -> list[str]:
    """The products that the handlers of events have fetched."""
    return products.fetched


@pytest.fixture
def failing(products: Products) -> list[Exception]:
    """A list of errors; while it has one, events of ``prod_1`` fail with it."""
    products.errors.append(RuntimeError("no"))
    return products.errors


@contextmanager
def on_writing(model: type[Model], receiver: Callable[[], object]) -> Iterator[None]:
    """Call a receiver of the site whenever a row of the model has been written."""

    def receive(**kwargs: Any) -> None:
        receiver()

    post_save.connect(receive, sender=model)
    try:
        yield
    finally:
        post_save.disconnect(receive, sender=model)


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


def test_a_stored_event(sandbox: Sandbox, handled: list[str]) -> None:
    response = post(snapshot())

    event = StripeEvent.objects.get()
    assert response.status_code == 200
    assert handled == ["prod_1"]
    assert (event.stripe_id, event.type, event.object_id) == ("evt_1", "product.updated", "prod_1")
    assert (event.status, event.attempts, event.livemode) == ("processed", 1, False)
    assert event.api_version == "2026-10-28.endive"
    assert event.payload == snapshot()
    assert event.processed_at


@pytest.mark.parametrize(
    ("networks", "address", "status"),
    [
        ([], "203.0.113.9", 200),
        (["192.0.2.0/24", "2001:db8::/32"], "192.0.2.7", 200),
        ("192.0.2.7", "::ffff:192.0.2.7", 200),
        (["2001:db8::/32"], "2001:db8::1", 200),
        (["192.0.2.0/24"], "192.0.3.7", 403),
        (["192.0.2.0/24"], "", 403),
    ],
)
def test_only_the_networks_of_the_setting_may_send(
    sandbox: Sandbox,
    handled: list[str],
    settings: Any,
    networks: Any,
    address: str,
    status: int,
) -> None:
    settings.QUICKSCALE_STRIPE_WEBHOOK_NETWORKS = networks
    assert post(snapshot(), REMOTE_ADDR=address).status_code == status
    assert StripeEvent.objects.count() == len(handled) == (status == 200)


def missing(message: str) -> Exception:
    return stripe.InvalidRequestError(message, param=None, code="resource_missing", http_status=404)


class TestIgnored:
    """Events that can never succeed are ignored at once and stored with the reason only."""

    def test_events_of_connected_accounts(self, sandbox: Sandbox, handled: list[str]) -> None:
        assert post(snapshot(account="acct_1")).status_code == 200
        assert post(thin(context="acct_1")).status_code == 200
        assert handled == []
        for event in StripeEvent.objects.all():
            assert (event.status, event.account, event.payload) == ("ignored", "acct_1", None)
            assert event.error == "It happened on the connected account acct_1."
            assert inbox.replay(event) is inbox.Outcome.DONE
            event.refresh_from_db()
            assert event.status == "ignored"

    @pytest.mark.parametrize("event_type", sorted(handlers.HANDLERS))
    def test_events_about_what_stripe_no_longer_has(
        self, sandbox: Sandbox, event_type: str
    ) -> None:
        """This happens after "Delete all test data"."""
        about = {"id": "gone_1", "object": "x"}
        assert post(snapshot(type=event_type, data={"object": about})).status_code == 200
        event = StripeEvent.objects.get()
        assert (event.status, event.payload) == ("ignored", None)
        assert "gone_1" in event.error

    def test_an_event_that_lacks_another_object_is_tried_again(
        self, sandbox: Sandbox, use_client: UseClient
    ) -> None:
        class WithoutCharge(RecordingHTTPClient):
            def request(self, *args: Any, **kwargs: Any) -> Any:
                raise missing("No such charge: 'ch_1'")

        use_client(WithoutCharge(sandbox))
        about = {"id": "du_1", "object": "dispute"}
        told = snapshot(type="charge.dispute.created", data={"object": about})
        assert post(told).status_code == 500

    def test_events_are_not_ignored_for_a_key_of_the_other_mode(
        self, sandbox: Sandbox, failing: list[Exception]
    ) -> None:
        failing[0] = missing(
            "No such product: 'prod_1'; a similar object exists in live mode, but a test mode key "
            "was used to make this request."
        )
        assert post(snapshot()).status_code == 500

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"livemode": True}, "It belongs to the other mode."),
            ({"type": "account.updated"}, "Nothing here handles events of this type."),
        ],
    )
    def test_what_the_site_does_not_follow(
        self, sandbox: Sandbox, changes: dict[str, Any], reason: str
    ) -> None:
        assert post(snapshot(**changes)).status_code == 200
        event = StripeEvent.objects.get()
        assert (event.status, event.error, event.payload) == ("ignored", reason, None)

    def test_a_customer_is_deleted_only_when_stripe_says_so(
        self, sandbox: Sandbox, owner: Any
    ) -> None:
        """A leaked secret can sign an event, and can't make Stripe answer."""
        customer = customers.ensure(owner)
        forged = {"type": "customer.deleted", "data": {"object": {"id": customer.stripe_id}}}
        assert post(snapshot(**forged)).status_code == 200
        assert StripeEvent.objects.get().status == "processed"
        customer.refresh_from_db()
        assert customer.is_usable

        get_client().v1.customers.delete(customer.stripe_id or "")
        assert post(snapshot(**forged, id="evt_2")).status_code == 200
        customer.refresh_from_db()
        assert not customer.is_usable

    def test_objects_of_strangers_on_a_shared_account(self, sandbox: Sandbox) -> None:
        """This site never made the customer, product, price, payment, refund and dispute."""
        client = get_client().v1
        client.customers.create({"email": "eve@example.com"})
        product = client.products.create({"name": "T-shirt"})
        price = client.prices.create(
            {"product": product.id, "unit_amount": 2500, "currency": "usd"}
        )
        session = client.checkout.sessions.create(
            {
                "mode": "payment",
                "line_items": [{"price": price.id, "quantity": 1}],
                "success_url": "https://example.com/",
            },
            {"idempotency_key": "a stranger's"},
        )
        sandbox.pay(session.id)
        [charge] = client.charges.list().data
        sandbox.refund(charge.id, amount=100)
        sandbox.dispute(charge.id)
        sandbox.deliver()
        told = StripeEvent.objects.values_list("type", "status", "payload")
        assert {(status, payload) for _type, status, payload in told} == {("ignored", None)}
        assert {
            "checkout.session.completed", "charge.refunded", "charge.dispute.created",
            "product.created", "price.created", "refund.created",
        } <= {event_type for event_type, _status, _payload in told}  # fmt: skip
        assert not StripeEvent.objects.filter(error="").exists()


class TestRetention:
    @pytest.fixture
    def events(self, sandbox: Sandbox) -> dict[str, StripeEvent]:
        """One event of each status that came 40 days ago, and one that came today."""
        now = timezone.now()
        old = {status: (status, now - timedelta(days=40)) for status in StripeEvent.Status}
        return {
            name: StripeEvent.objects.create(
                stripe_id=f"evt_{name}", type="x", livemode=False, payload={"a": 1},
                error="KeyError: ada@example.com", traceback="ada@example.com",
                status=status, created_at=now, received_at=received_at,
            )
            for name, (status, received_at) in {"new": ("processed", now), **old}.items()
        }  # fmt: skip

    def kept(self) -> set[str]:
        found = StripeEvent.objects.filter(payload__isnull=False)
        return set(found.values_list("stripe_id", flat=True))

    def test_old_payloads_go_and_the_rows_stay(
        self, events: dict[str, StripeEvent], capsys: Any
    ) -> None:
        call_command("purge_events")
        assert self.kept() == {"evt_new", "evt_received", "evt_failed"}
        assert StripeEvent.objects.count() == len(events)
        quoting = StripeEvent.objects.filter(error__contains="ada", traceback__contains="ada")
        assert set(quoting.values_list("stripe_id", flat=True)) == self.kept()
        assert capsys.readouterr().out == "Dropped the payloads of 3 events.\n"

    def test_the_daily_job_does_it(
        self, events: dict[str, StripeEvent], sandbox: Sandbox, settings: Any
    ) -> None:
        call_command("reconcile_stripe", "--dry-run")
        assert len(self.kept()) == len(events)
        settings.QUICKSCALE_STRIPE_EVENT_RETENTION_DAYS = None
        call_command("reconcile_stripe")
        assert len(self.kept()) == len(events)
        settings.QUICKSCALE_STRIPE_EVENT_RETENTION_DAYS = 30
        call_command("reconcile_stripe")
        assert self.kept() == {"evt_new", "evt_received", "evt_failed"}

    def test_an_endless_retention_needs_a_number_of_days(self, settings: Any) -> None:
        settings.QUICKSCALE_STRIPE_EVENT_RETENTION_DAYS = None
        with pytest.raises(CommandError, match="give --days"):
            call_command("purge_events")


def test_a_processed_event_is_not_handled_again(sandbox: Sandbox, handled: list[str]) -> None:
    assert [post(snapshot()).status_code for _ in range(3)] == [200, 200, 200]
    assert len(handled) == 1


def test_a_failure_is_recorded_and_stripe_is_asked_to_send_again(
    sandbox: Sandbox, failing: list[Exception]
) -> None:
    before = timezone.now()
    assert post(snapshot()).status_code == 500

    event = StripeEvent.objects.get()
    assert (event.status, event.attempts, event.error) == ("failed", 1, "RuntimeError: no")
    assert "raise self.errors[0]" in event.traceback
    assert event.next_attempt_at
    assert event.next_attempt_at >= before + timedelta(seconds=60)

    failing.clear()
    assert post(snapshot()).status_code == 200
    event.refresh_from_db()
    assert (event.status, event.error, event.next_attempt_at) == ("processed", "", None)


def test_what_a_failing_handler_wrote_is_undone(
    sandbox: Sandbox, owner: Any, products: Products
) -> None:
    def write_and_fail() -> None:
        StripeCustomer.objects.create(owner=owner)
        raise RuntimeError

    get_client().v1.products.update("prod_1", {"name": "Studio pack"})
    with on_writing(StripeProduct, write_and_fail):
        assert post(snapshot()).status_code == 500
    assert not StripeCustomer.objects.exists()
    assert StripeProduct.objects.get().name == "Starter pack"


def test_a_constraint_that_is_checked_at_commit_fails_the_event_and_not_the_inbox(
    sandbox: Sandbox, owner: Any, products: Products
) -> None:
    nobody = owner.pk
    owner.delete()

    def refer_to_nobody() -> None:
        Payment.objects.create(
            owner_id=nobody,
            kind="invoice",
            total=1,
            amount=1,
            currency="usd",
            created_at=timezone.now(),
        )

    with on_writing(StripeProduct, refer_to_nobody):
        assert post(snapshot()).status_code == 500
    event = StripeEvent.objects.get()
    assert event.status == "failed"
    assert "IntegrityError" in event.error


def test_after_enough_failures_an_event_is_dead_and_staff_get_a_mail(
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
    assert inbox.replay(event) is inbox.Outcome.DONE


def test_retries_back_off(sandbox: Sandbox, failing: list[Exception]) -> None:
    delays = []
    for _ in range(4):
        post(snapshot())
        event = StripeEvent.objects.get()
        assert event.next_attempt_at
        delays.append(round((event.next_attempt_at - timezone.now()).total_seconds(), -1))
    assert delays == [60, 120, 240, 480]


def test_the_periodic_job_handles_what_is_due_and_a_failure_blocks_nothing(
    sandbox: Sandbox, failing: list[Exception], handled: list[str]
) -> None:
    make_product("prod_2")
    handled.clear()
    StripeEvent.objects.create(
        stripe_id="evt_poison", type="product.updated", object_id="prod_1",
        livemode=False, payload={},
        created_at=timezone.now() - timedelta(days=1),
    )  # fmt: skip
    waiting = StripeEvent.objects.create(
        stripe_id="evt_waiting", type="product.updated", object_id="prod_2",
        livemode=False, payload={},
        created_at=timezone.now(), status="failed",
        next_attempt_at=timezone.now() + timedelta(hours=1),
    )  # fmt: skip
    StripeEvent.objects.create(
        stripe_id="evt_good", type="product.updated", object_id="prod_2",
        livemode=False, payload={},
        created_at=timezone.now(),
    )  # fmt: skip

    with pytest.raises(CommandError, match="failed"):
        call_command("replay_events", "--due")

    assert handled == ["prod_2"]
    waiting.refresh_from_db()
    assert waiting.attempts == 0


def test_replay_by_command(sandbox: Sandbox, handled: list[str], capsys: Any) -> None:
    post(snapshot())
    call_command("replay_events", "evt_1")
    assert len(handled) == 2
    assert "1 done" in capsys.readouterr().out


@pytest.mark.django_db(transaction=True)
def test_an_event_that_another_worker_handles_is_left_alone(sandbox: Sandbox) -> None:
    event = StripeEvent.objects.create(
        stripe_id="evt_1", type="x", livemode=False, payload={}, created_at=timezone.now()
    )

    def process_and_post() -> tuple[inbox.Outcome, int]:
        try:
            return inbox.process(event.pk), post(snapshot()).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as threads, transaction.atomic():
        StripeEvent.objects.select_for_update().get()
        answers = threads.submit(process_and_post).result(timeout=10)
    assert answers == (inbox.Outcome.BUSY, 409)


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


def test_thin_events_are_handled_like_snapshots(sandbox: Sandbox, handled: list[str]) -> None:
    response = post(thin(snapshot_event="evt_1"))

    event = StripeEvent.objects.get()
    assert response.status_code == 200
    assert (event.object_id, event.snapshot_id) == ("prod_1", "evt_1")
    assert handled == ["prod_1"]


@pytest.mark.parametrize("thin_first", [True, False])
def test_the_same_fact_in_both_formats_is_handled_once(
    sandbox: Sandbox, handled: list[str], thin_first: bool
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
    sandbox: Sandbox, handled: list[str], settings: Any, site: bool, event: bool
) -> None:
    settings.QUICKSCALE_STRIPE_LIVE_MODE = site
    assert post(snapshot(livemode=event)).status_code == 200
    assert StripeEvent.objects.get().status == "ignored"
    assert not handled


def test_each_of_several_secrets_is_accepted(
    sandbox: Sandbox, handled: list[str], settings: Any
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
def test_signed_bodies_that_are_not_events_are_refused(sandbox: Sandbox, body: bytes) -> None:
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
def test_an_unsigned_request_never_reaches_the_database(
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


def test_while_payments_are_off_stripe_is_asked_to_try_again(settings: Any) -> None:
    settings.QUICKSCALE_STRIPE_SECRET_KEY = ""
    assert post(snapshot()).status_code == 503


def test_only_post(sandbox: Sandbox) -> None:
    assert Client().get("/stripe/webhook/").status_code == 405


def test_neither_csrf_nor_a_site_wide_login_is_in_the_way(
    sandbox: Sandbox, handled: list[str], settings: Any
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
    sandbox: Sandbox, handled: list[str], key: str, value: Any, thin_format: bool
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
    """A worker of Django's tasks handles the events."""

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

        # No worker took them.
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


def test_an_event_that_did_not_come_is_fetched_and_handled_once(
    shop: Sandbox, owner: Any, package: StripePrice
) -> None:
    shop.pay(open_checkout(owner, package))
    (told,) = shop.events("checkout.session.completed")
    for _ in range(2):
        assert inbox.fetch(told["id"]) is inbox.Outcome.DONE
    event = StripeEvent.objects.get()
    assert (event.stripe_id, event.status, event.attempts) == (told["id"], "processed", 1)
    assert balance(owner) == 100
    with pytest.raises(StripeRefusedError):
        inbox.fetch("evt_unknown")


def test_no_worker_handles_an_event_that_is_not_stored(db: None) -> None:
    assert inbox.process(0) is inbox.Outcome.BUSY


def test_optional_fields_of_an_event_are_empty(sandbox: Sandbox) -> None:
    post(snapshot(api_version=None, data={"object": {"object": "balance"}}, account=None))
    post(thin(related_object=None))
    assert StripeEvent.objects.count() == 2
    for event in StripeEvent.objects.all():
        assert (event.object_id, event.api_version, event.account, event.snapshot_id) == ("",) * 4
        assert event.error == "Nothing here handles events of this type."


def test_an_event_has_stripe_s_time(sandbox: Sandbox, handled: list[str]) -> None:
    post(snapshot())
    post(thin(snapshot_event="evt_other"))
    times = {event.stripe_id: event.created_at for event in StripeEvent.objects.all()}
    assert times == {
        "evt_1": datetime.fromtimestamp(1_790_000_000, UTC),
        "evt_thin_1": datetime(2026, 11, 20, 10, tzinfo=UTC),
    }


def test_a_name_of_255_letters_is_accepted(sandbox: Sandbox) -> None:
    assert post(snapshot(id="e" * 255)).status_code == 200
    assert post(snapshot(id="f" * 256)).status_code == 400


def test_a_replay_starts_again_with_all_attempts(
    sandbox: Sandbox, failing: list[Exception]
) -> None:
    for _ in range(3):
        post(snapshot())
    event = StripeEvent.objects.get()
    assert event.attempts == 3
    assert inbox.replay(event) is inbox.Outcome.FAILED
    event.refresh_from_db()
    assert (event.attempts, event.status, event.processed_at) == (1, "failed", None)
    failing.clear()
    assert inbox.replay(event) is inbox.Outcome.DONE
    event.refresh_from_db()
    assert (event.attempts, event.status, event.error, event.traceback) == (1, "processed", "", "")
    assert event.next_attempt_at is None
    assert event.processed_at
    failing.append(RuntimeError("again"))
    assert inbox.replay(event) is inbox.Outcome.FAILED
    event.refresh_from_db()
    assert (event.processed_at, event.status) == (None, "failed")


def test_a_retry_waits_twelve_hours_at_most(
    sandbox: Sandbox, failing: list[Exception], settings: Any
) -> None:
    settings.QUICKSCALE_STRIPE_EVENT_MAX_ATTEMPTS = 50
    post(snapshot())
    StripeEvent.objects.update(attempts=30)
    post(snapshot())
    event = StripeEvent.objects.get()
    assert event.next_attempt_at
    wait = event.next_attempt_at - timezone.now()
    assert timedelta(hours=11, minutes=59) < wait <= timedelta(hours=12)


def test_an_event_is_dead_with_its_last_attempt_and_not_before(
    sandbox: Sandbox, failing: list[Exception], settings: Any
) -> None:
    settings.QUICKSCALE_STRIPE_EVENT_MAX_ATTEMPTS = 2
    statuses = []
    for _ in range(2):
        post(snapshot())
        statuses.append(StripeEvent.objects.get().status)
    assert statuses == ["failed", "dead"]


def waiting(number: int) -> StripeEvent:
    return StripeEvent.objects.create(
        stripe_id=f"evt_due_{number}", type="product.updated", object_id="prod_1", livemode=False,
        payload={}, created_at=timezone.now(),
    )  # fmt: skip


def test_the_periodic_job_has_a_limit_and_counts_the_outcomes(
    sandbox: Sandbox, handled: list[str]
) -> None:
    for number in range(3):
        waiting(number)
    counts = inbox.process_due(limit=2)
    assert counts == {
        inbox.Outcome.DONE: 2, inbox.Outcome.FAILED: 0, inbox.Outcome.BUSY: 0,
    }  # fmt: skip
    assert len(handled) == 2
    assert inbox.process_due()[inbox.Outcome.DONE] == 1


def test_old_payloads_are_dropped_in_batches_and_counted(sandbox: Sandbox) -> None:
    now = timezone.now()
    StripeEvent.objects.bulk_create(
        StripeEvent(
            stripe_id=f"evt_{number}", type="x", livemode=False, payload={}, status="processed",
            created_at=now, received_at=now,
        )
        for number in range(1001)
    )  # fmt: skip
    assert inbox.purge(before=now) == 0
    assert inbox.purge(before=now + timedelta(microseconds=1)) == 1001
    assert inbox.purge(before=now + timedelta(microseconds=1)) == 0
    assert not StripeEvent.objects.filter(payload__isnull=False).exists()


def test_a_thin_event_fetches_its_snapshot_once_and_works_without_that_permission(
    sandbox: Sandbox, products: Products, use_client: UseClient
) -> None:
    asked: list[str] = []

    class Snapshots(Products):
        def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
            folder, _, thin_id = url.rpartition("/")
            if not folder.endswith("/v2/core/events"):
                return super().request(method, url, *args, **kwargs)
            asked.append(thin_id)
            if thin_id == "evt_thin_refused":
                return json.dumps({"error": {"message": "no"}}), 403, {}
            told = "evt_1" if thin_id == "evt_thin_1" else None
            return json.dumps(thin(id=thin_id, snapshot_event=told)), 200, {}

    client = Snapshots(sandbox)
    use_client(client)
    post(snapshot())
    for thin_id in ("evt_thin_1", "evt_thin_other", "evt_thin_refused"):
        assert post(thin(id=thin_id)).status_code == 200
    found = {event.stripe_id: event for event in StripeEvent.objects.all()}
    assert [found[thin_id].snapshot_id for thin_id in asked] == ["evt_1", "", ""]
    assert found["evt_thin_1"].error == "It also came in the other format."
    assert found["evt_thin_other"].status == found["evt_thin_refused"].status == "processed"
    assert client.fetched == ["prod_1"] * 3


def test_an_event_is_handled_although_its_other_format_failed(
    sandbox: Sandbox, failing: list[Exception]
) -> None:
    assert post(snapshot()).status_code == 500
    failing.clear()
    assert post(thin(snapshot_event="evt_1")).status_code == 200
    assert StripeEvent.objects.get(stripe_id="evt_thin_1").status == "processed"
