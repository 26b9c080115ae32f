"""During a request to Stripe no row is locked that a page of the same customer waits for."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from django.contrib.auth import get_user_model
from django.db import connection, connections, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from quickscale_credits.models import CreditAccount
from quickscale_stripe.events.handlers import HANDLERS
from quickscale_stripe.events.reconcile import reconcile
from quickscale_stripe.models import (
    Dispute,
    Payment,
    Refund,
    StripeCustomer,
    StripeEvent,
    Subscription,
)
from quickscale_stripe_sandbox import Sandbox
from quickscale_stripe_sandbox.recording import RecordingHTTPClient
from tests.owners import make_owner, user_of
from tests.quickscale_stripe.conftest import UseClient
from tests.quickscale_stripe.proof.stories import STORIES
from tests.quickscale_stripe.proof.world import World, load, save
from tests.quickscale_stripe.shopping import charge_of
from tests.quickscale_stripe.test_webhooks import post

pytestmark = pytest.mark.django_db(transaction=True)

TABLES = [
    model._meta.db_table
    for model in (Payment, Refund, Dispute, Subscription, StripeCustomer, CreditAccount)
]
# Row locks and writes take table locks in these modes, which last until the transaction ends.
LOCKED = """
SELECT DISTINCT relname FROM pg_locks JOIN pg_class ON pg_class.oid = relation
 WHERE relname = ANY(%s) AND mode IN ('RowShareLock', 'RowExclusiveLock')
   AND pid <> pg_backend_pid()
   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


class Watcher(RecordingHTTPClient):
    """Looks for locks during each request, on a second connection."""

    looks: ClassVar[Callable[[], list[str]]]
    found: ClassVar[list[Any]] = []
    asked: ClassVar[set[str]] = set()

    def request(self, *args: Any, **kwargs: Any) -> Any:
        method, url = args[:2]
        self.asked.add(url)
        if tables := type(self).looks():
            self.found.append((method, url, tables))
        return super().request(*args, **kwargs)


@pytest.fixture(autouse=True)
def watched(
    shop: Sandbox, monkeypatch: pytest.MonkeyPatch, use_client: UseClient
) -> Iterator[type[Watcher]]:
    second = connection.copy("second")

    def look() -> list[str]:
        with second.cursor() as cursor:
            cursor.execute(LOCKED, [TABLES])
            return [name for (name,) in cursor.fetchall()]

    monkeypatch.setattr(Watcher, "looks", staticmethod(look), raising=False)
    use_client(Watcher(shop))
    Watcher.found.clear()
    Watcher.asked.clear()
    yield Watcher
    second.close()
    assert Watcher.found == []


def test_the_watcher_sees_locked_and_written_rows(watched: type[Watcher], owner: Any) -> None:
    with transaction.atomic():
        list(StripeCustomer.objects.select_for_update())
        CreditAccount.objects.for_owner(owner)
        assert sorted(watched.looks()) == sorted(
            [StripeCustomer._meta.db_table, CreditAccount._meta.db_table]
        )
    assert watched.looks() == []


def test_no_event_locks_a_row_while_stripe_is_asked(shop: Sandbox) -> None:
    """Every story is tried, half of them with events in reverse order, and reconciled."""
    begin, seen = save(shop), set()
    for number, story in enumerate(STORIES.values()):
        load(shop, begin)
        told = len(shop.events())
        for _ in story.tell(World(shop, make_owner(f"{uuid.uuid4().hex}@example.com"))):
            pass
        waiting = [event for event in shop.events()[told:] if event["type"] in HANDLERS]
        seen |= {event["type"] for event in waiting}
        waiting = waiting[::-1] if number % 2 else waiting
        for _ in range(6):
            waiting = [event for event in waiting if post(event).status_code != 200]
        assert waiting == []
        assert {one.error for one in reconcile(since=timezone.now() - timedelta(days=1))} <= {""}
    # The stories lack product.*, price.* and payment_method.*, which change nobody's money.
    kinds = ("checkout", "customer", "invoice", "refund", "charge")
    unseen = {name for name in set(HANDLERS) - seen if name.startswith(kinds)}
    assert unseen == {
        "checkout.session.expired",
        "customer.subscription.paused",
        "customer.subscription.resumed",
        "invoice.finalization_failed",
        "invoice.marked_uncollectible",
        "invoice.payment_action_required",
    }
    assert not StripeEvent.objects.exclude(status__in=["processed", "ignored"]).exists()


@pytest.mark.parametrize("atomic", [False, True], ids=["autocommit", "atomic requests"])
def test_no_page_locks_a_row_while_stripe_is_asked(
    shop: Sandbox,
    watched: type[Watcher],
    owner: Any,
    atomic: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", atomic)
    world, buyer, staff = World(shop, owner), Client(), Client()
    buyer.force_login(user_of(owner))
    staff.force_login(get_user_model().objects.create_superuser("staff@example.com", "pw"))

    def asks(client: Client, path: str, form: dict[str, Any] | None = None) -> str:
        watched.asked.clear()
        response = client.get(path) if form is None else client.post(path, form)
        assert response.status_code in (200, 302)
        assert watched.asked
        return str(response.headers.get("Location", ""))

    def page(name: str, query: str = "") -> str:
        return reverse(f"quickscale_stripe:{name}") + query

    def order(plan: str) -> dict[str, Any]:
        return {"price": world.price(plan).pk, "reference": uuid.uuid4()}

    session = asks(buyer, page("checkout"), order("Starter pack")).rpartition("/")[2]
    shop.pay(session)
    asks(buyer, page("checkout_done", f"?session_id={session}"))
    session = asks(buyer, page("subscribe"), order("Basic plan")).rpartition("/")[2]
    shop.pay(session)
    asks(buyer, page("checkout_done", f"?session_id={session}"))
    for plan in ("Pro plan", "Basic plan"):
        price = world.price(plan).pk
        watched.asked.clear()
        shown = buyer.get(page("change_plan"), {"price": price}).context["preview"]
        asks(buyer, page("change_plan"), {"price": price, "token": shown.token})
    for name in ("keep_plan", "cancel", "reactivate", "billing_portal"):
        asks(buyer, page(name), {})
    asks(buyer, page("add_payment_method"), {})
    world.use_card()
    asks(buyer, page("billing", "?from=portal"))
    owner.first_name = "Ada"
    owner.save()

    def admin(name: str, *args: Any) -> str:
        return reverse(f"admin:quickscale_stripe_{name}", args=args)

    payment, subscription = Payment.objects.earliest("pk"), Subscription.objects.get()
    form = {"amount": "1", "reason": "", "reference": uuid.uuid4()}
    form |= {"left": payment.amount, "start": 100}
    asks(staff, admin("payment_refund", payment.pk), form)
    refund = Refund.objects.get()
    shop.dispute(charge_of(payment))
    shop.deliver()
    asks(staff, admin("payment_take", payment.pk, "sync"), {})
    asks(staff, admin("refund_take", refund.pk, "sync"), {})
    asks(staff, admin("dispute_take", Dispute.objects.get().pk, "sync"), {})
    asks(staff, admin("stripecustomer_take", owner.stripe_customer.pk, "sync"), {})
    for step in ("sync", "cancel", "reactivate", "cancel-now"):
        asks(staff, admin("subscription_take", subscription.pk, step), {})
    event = StripeEvent.objects.filter(type="invoice.paid").latest("pk")
    asks(staff, admin("stripeevent_take", event.pk, "replay"), {})
