"""Each story ends the same if its events come in any order, twice, and in both formats."""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from quickscale_credits.models import CreditAccount
from quickscale_stripe.billing import plan_changes, subscriptions
from quickscale_stripe.client import get_client
from quickscale_stripe.events.handlers import HANDLERS
from quickscale_stripe.models import (
    Dispute,
    Payment,
    Refund,
    StripeEvent,
    StripePrice,
    Subscription,
)
from quickscale_stripe_sandbox import Sandbox
from tests.quickscale_stripe.shopping import open_checkout
from tests.quickscale_stripe.test_subscriptions import open_signup
from tests.quickscale_stripe.test_webhooks import post

pytestmark = pytest.mark.django_db


class World:
    """One owner at one sandbox."""

    def __init__(self, shop: Sandbox, owner: Any) -> None:
        self.shop, self.owner = shop, owner

    def price(self, name: str) -> StripePrice:
        return StripePrice.objects.get(product__name=name, interval__in=["", "month"])

    def buy(self, method: str = "card") -> str:
        session = open_checkout(self.owner, self.price("Starter pack"))
        self.shop.pay(session, method)
        intent = get_client().v1.checkout.sessions.retrieve(session).payment_intent
        return str(intent)

    def subscribe(self, method: str = "card") -> Subscription:
        session = open_signup(self.owner, self.price("Basic plan"))
        self.shop.pay(session, method)
        remote = get_client().v1.checkout.sessions.retrieve(session).subscription
        found = subscriptions.sync(str(remote))
        assert found is not None
        return found

    def refund(self, intent: str, amount: int) -> str:
        params: Any = {"payment_intent": intent, "amount": amount}
        key = f"refund:{amount}"
        return get_client().v1.refunds.create(params, {"idempotency_key": key}).id

    def charge(self, intent: str) -> str:
        return str(get_client().v1.payment_intents.retrieve(intent).latest_charge)


def buy_by_card(world: World) -> None:
    world.buy()


def buy_by_bank(world: World) -> None:
    world.shop.settle(world.buy("bank_success"))


def buy_by_bank_in_vain(world: World) -> None:
    world.shop.settle(world.buy("bank_failure"))


def part_refunds(world: World) -> None:
    intent = world.buy()
    world.refund(intent, 300)
    world.refund(intent, 600)


def failed_refund(world: World) -> None:
    world.shop.fail_refund(world.refund(world.buy(), 450))


def dispute_won(world: World) -> None:
    dispute = world.shop.dispute(world.charge(world.buy()))
    world.shop.close_dispute(dispute, won=True)


def dispute_lost(world: World) -> None:
    dispute = world.shop.dispute(world.charge(world.buy()))
    world.shop.close_dispute(dispute, won=False)


def subscribe_and_renew(world: World) -> None:
    world.subscribe()
    world.shop.advance(days=32)


def renewal_fails(world: World) -> None:
    world.subscribe("renewal_declined")
    world.shop.advance(days=32)


def upgrade(world: World) -> None:
    subscription, pro = world.subscribe(), world.price("Pro plan")
    shown = plan_changes.preview(subscription=subscription, price=pro)
    plan_changes.change(subscription=subscription, price=pro, token=shown.token)


def cancel_and_reactivate(world: World) -> None:
    canceled = subscriptions.cancel_at_period_end(world.subscribe())
    assert canceled
    subscriptions.reactivate(canceled)


def cancel_at_once(world: World) -> None:
    subscriptions.cancel_now(world.subscribe())


# The status and credits of each payment, the subscription's status, and the balance by type.
STORIES: dict[Callable[[World], None], tuple[list[tuple[str, int]], str, dict[str, int]]] = {
    buy_by_card: ([("succeeded", 100)], "", {"payg": 100}),
    buy_by_bank: ([("succeeded", 100)], "", {"payg": 100}),
    buy_by_bank_in_vain: ([("failed", 100)], "", {}),
    part_refunds: ([("refunded", 100)], "", {}),
    failed_refund: ([("succeeded", 100)], "", {"payg": 100}),
    dispute_won: ([("succeeded", 100)], "", {"payg": 100}),
    dispute_lost: ([("disputed", 100)], "", {}),
    subscribe_and_renew: (
        [("succeeded", 300), ("succeeded", 300)],
        "active",
        {"subscription": 600},
    ),
    renewal_fails: ([("failed", 300), ("succeeded", 300)], "past_due", {"subscription": 300}),
    upgrade: (
        [("succeeded", 300), ("succeeded", 700)],
        "active",
        {"payg": 300, "subscription": 700},
    ),
    cancel_and_reactivate: ([("succeeded", 300)], "active", {"subscription": 300}),
    cancel_at_once: ([("succeeded", 300)], "canceled", {"subscription": 300}),
}


def end_of(owner: Any) -> tuple[list[tuple[str, int]], str, dict[str, int]]:
    payments = [(row.status, round(row.credits)) for row in Payment.objects.all()]
    subscription = Subscription.objects.first()
    lots = CreditAccount.objects.for_owner(owner).lots.filter(remaining__gt=0)
    balances: dict[str, Decimal] = {}
    for lot in lots:
        balances[lot.credit_type] = balances.get(lot.credit_type, Decimal(0)) + lot.remaining
    rounded = {kind: round(amount) for kind, amount in balances.items()}
    return sorted(payments), subscription.status if subscription else "", rounded


def as_thin(event: dict[str, Any]) -> dict[str, Any]:
    about = event["data"]["object"]
    return {
        "id": f"{event['id']}_thin",
        "object": "v2.core.event",
        "type": f"v1.{event['type']}",
        "created": "2026-11-20T10:00:00.000Z",
        "livemode": False,
        "snapshot_event": event["id"],
        "related_object": {"id": about["id"], "type": about["object"], "url": "/v1/x"},
    }


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_a_story_ends_the_same_in_every_order(
    shop: Sandbox, owner: Any, story: Callable[[World], None]
) -> None:
    with transaction.atomic():
        story(World(shop, owner))
        customer = owner.stripe_customer
        transaction.set_rollback(True)
    customer.pk = None
    customer.save(force_insert=True)
    events = [event for event in shop.events() if event["type"] in HANDLERS]
    refunds = {
        event["data"]["object"]["id"] for event in events if event["type"] == "refund.created"
    }
    deliveries = events + events + [as_thin(event) for event in events]

    @hypothesis_settings(
        max_examples=4,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(seed=st.integers(0, 2**32))
    def in_some_order(seed: int) -> None:
        with transaction.atomic():
            waiting = random.Random(seed).sample(deliveries, len(deliveries))
            for _attempt in range(3):
                waiting = [event for event in waiting if post(event).status_code != 200]
            assert waiting == []
            assert not StripeEvent.objects.exclude(status__in=["processed", "ignored"]).exists()
            assert end_of(owner) == STORIES[story]
            assert Refund.objects.count() == len(refunds)
            assert Dispute.objects.count() <= 1
            transaction.set_rollback(True)

    in_some_order()
