"""Monthly recurring revenue: what counts, the kind of each change, and that none is lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction

from quickscale_stripe.billing import movements, subscriptions
from quickscale_stripe.client import get_client
from quickscale_stripe.models import MrrMovement, Subscription
from quickscale_stripe_sandbox import Sandbox
from tests.quickscale_stripe.proof.world import World

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(shop: Sandbox, owner: Any) -> World:
    return World(shop, owner)


def subscribe_again(world: World, plan: str, quantity: int = 1, **fields: Any) -> str:
    """Subscribe by the API with a saved card; return the subscription."""
    world.use_card()
    params: Any = {
        "customer": world.owner.stripe_customer.stripe_id,
        "items": [{"price": world.price(plan).stripe_id, "quantity": quantity}],
    }
    made = world.client.v1.subscriptions.create(params | fields, {"idempotency_key": "again"})
    world.sandbox.deliver()
    return made.id


def told() -> list[tuple[str, int, int]]:
    assert list(movements.verify()) == []
    return [
        (movement.kind, round(movement.before), round(movement.after))
        for movement in MrrMovement.objects.order_by("pk")
    ]


def test_each_change_is_a_movement(world: World) -> None:
    subscription = world.subscribe()
    world.sandbox.deliver()
    world.change_in_portal(subscription, "Pro plan")
    world.sandbox.deliver()
    world.change_in_portal(subscription, "Basic plan")
    world.sandbox.deliver()
    row = Subscription.objects.get()
    subscriptions.cancel_at_period_end(row)
    assert row.mrr == 1900
    world.sandbox.advance(days=32)
    world.sandbox.deliver()
    ended = Subscription.objects.get()
    assert (ended.status, ended.mrr) == ("canceled", 0)
    assert MrrMovement.objects.latest("pk").at == ended.ended_at
    subscribe_again(world, "Basic plan")
    assert told() == [
        ("new", 0, 1900),
        ("expansion", 1900, 4900),
        ("contraction", 4900, 1900),
        ("churn", 1900, 0),
        ("reactivation", 0, 1900),
    ]


def test_events_that_come_again_move_nothing(world: World) -> None:
    world.sandbox.set_delivery("hold", copies=3)
    subscription = world.subscribe()
    world.change_in_portal(subscription, "Pro plan")
    world.sandbox.release(backwards=True)
    world.sandbox.deliver()
    subscriptions.sync(subscription)
    assert told() == [("new", 0, 4900)]


def test_a_second_subscription_of_a_customer_is_an_expansion(world: World) -> None:
    world.subscribe()
    world.sandbox.deliver()
    other = subscribe_again(world, "Pro plan", quantity=2)
    get_client().v1.subscriptions.cancel(other)
    world.sandbox.deliver()
    assert told() == [("new", 0, 1900), ("expansion", 0, 9800), ("contraction", 9800, 0)]


def test_a_trial_counts_once_it_is_paid_for(world: World) -> None:
    world.subscribe()
    world.sandbox.deliver()
    [paying] = Subscription.objects.all()
    subscriptions.cancel_now(paying)
    subscribe_again(world, "Basic plan", trial_period_days=7)
    assert told() == [("new", 0, 1900), ("churn", 1900, 0)]
    world.sandbox.advance(days=8)
    world.sandbox.deliver()
    assert told()[2:] == [("reactivation", 0, 1900)]


def test_a_failed_renewal_counts_until_it_is_given_up(world: World) -> None:
    world.failed_renewal()
    world.sandbox.deliver()
    assert Subscription.objects.get().status == "past_due"
    assert told() == [("new", 0, 1900)]
    world.sandbox.advance(days=20)
    world.sandbox.deliver()
    assert told() == [("new", 0, 1900), ("churn", 1900, 0)]


@pytest.mark.parametrize(
    ("interval", "count", "monthly"),
    [
        ("year", 1, Decimal(1200) / 12),
        ("month", 3, Decimal(1200) / 3),
        ("week", 2, Decimal(1200) * 52 / 12 / 2),
        ("day", 1, Decimal(1200) * 365 / 12),
    ],
)
def test_other_intervals_are_counted_by_the_month(
    world: World, interval: Any, count: int, monthly: Decimal
) -> None:
    subscription = world.subscribe()
    price = get_client().v1.prices.create(
        {
            "product": world.price("Pro plan").product.stripe_id,
            "currency": "usd",
            "unit_amount": 1200,
            "recurring": {"interval": interval, "interval_count": count},
            "metadata": {"credits": "1000"},
        }
    )
    world.sandbox.deliver()
    world.change_in_portal_to(subscription, price.id)
    world.sandbox.deliver()
    assert Subscription.objects.get().mrr == monthly.quantize(Decimal("0.0001"))
    assert list(movements.verify()) == []


@pytest.mark.parametrize(
    ("coupon", "first", "later"),
    [
        ({"percent_off": 25.0, "duration": "forever"}, 1425, 1425),
        ({"amount_off": 500, "currency": "usd", "duration": "forever"}, 1400, 1400),
        ({"percent_off": 50.0, "duration": "repeating", "duration_in_months": 1}, 950, 1900),
        ({"percent_off": 50.0, "duration": "once"}, 1900, 1900),
    ],
)
def test_discounts_that_last_are_taken_off(
    world: World, coupon: Any, first: int, later: int
) -> None:
    client = get_client().v1
    made = client.coupons.create(coupon, {"idempotency_key": "coupon"})
    world.subscribe()
    world.sandbox.deliver()
    subscriptions.cancel_now(Subscription.objects.get())
    begun = subscribe_again(world, "Basic plan", discounts=[{"coupon": made.id}])
    assert Subscription.objects.get(stripe_id=begun).mrr == first
    in_two_months = datetime.now(UTC) + timedelta(days=62)
    remote = client.subscriptions.retrieve(begun, {"expand": ["discounts.source.coupon"]})
    assert movements.mrr_of(remote, in_two_months) == later


def test_movements_never_change(world: World) -> None:
    world.subscribe()
    world.sandbox.deliver()
    row = MrrMovement.objects.get()
    for change in (row.save, row.delete):
        with pytest.raises(IntegrityError, match="is refused"), transaction.atomic():
            change()
    assert told() == [("new", 0, 1900)]


def test_what_does_not_add_up_is_found(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.subscribe()
    world.sandbox.deliver()
    call_command("verify_mrr")
    Subscription.objects.update(mrr=5)
    with pytest.raises(CommandError, match="1 problems"):
        call_command("verify_mrr")
    assert "1900.0000 by movements, but 5.0000 now." in capsys.readouterr().err
