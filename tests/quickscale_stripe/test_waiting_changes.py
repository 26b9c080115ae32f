"""Changes whose proration waits for the next invoice, which is Stripe's default."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from quickscale_credits.models import CreditLot
from quickscale_stripe.client import get_client
from quickscale_stripe.models import Payment
from quickscale_stripe_sandbox import Sandbox
from tests.quickscale_stripe.proof.world import World
from tests.quickscale_stripe.shopping import balance

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(shop: Sandbox, owner: Any) -> World:
    return World(shop, owner)


def half_of_the_period(subscription: str) -> int:
    """Return half of the period in seconds."""
    item = get_client().v1.subscriptions.retrieve(subscription).items.data[0]
    return (item.current_period_end - item.current_period_start) // 2


def about(amount: int) -> Any:
    return pytest.approx(Decimal(amount), abs=Decimal("0.1"))


def change(world: World, plan: str, then: str, quantity: int = 1) -> Payment:
    """Subscribe, change the plan in the middle of the period, and pay the renewal."""
    subscription = world.subscribe(plan)
    half = half_of_the_period(subscription)
    world.sandbox.advance(seconds=half)
    world.change_later(subscription, then, quantity)
    world.sandbox.deliver()
    assert Payment.objects.count() == 1
    world.sandbox.advance(seconds=half + 10)
    world.sandbox.deliver()
    return Payment.objects.get(paid_at=Payment.objects.latest("created_at").paid_at)


def test_an_upgrade_brings_its_share_with_the_renewal_that_charges_it(world: World) -> None:
    renewal = change(world, "Basic plan", "Pro plan")
    assert renewal.amount == pytest.approx(4900 + 1500, abs=2)
    assert renewal.credits == about(1000 + 350)
    assert renewal.subscription
    lots = CreditLot.objects.filter(source_id__startswith=f"{renewal.invoice_id}:")
    assert {lot.expires_at for lot in lots} == {renewal.subscription.current_period_end}
    assert sum(lot.amount for lot in lots) == renewal.credits


def test_more_seats_bring_their_share_too(world: World) -> None:
    renewal = change(world, "Basic plan", "Basic plan", quantity=3)
    assert renewal.amount == pytest.approx(3 * 1900 + 1900, abs=2)
    assert renewal.credits == about(3 * 300 + 300)


def test_what_is_given_back_reduces_what_the_renewal_brings(world: World) -> None:
    renewal = change(world, "Pro plan", "Pro plan", quantity=2)
    assert renewal.credits == about(2500)
    item = get_client().v1.subscriptions.retrieve(renewal.subscription.stripe_id).items.data[0]  # type: ignore[union-attr]
    half = (item.current_period_end - item.current_period_start) // 2
    world.sandbox.advance(seconds=half)
    world.change_later(renewal.subscription.stripe_id, "Pro plan", 1)  # type: ignore[union-attr]
    world.sandbox.advance(seconds=half + 10)
    world.sandbox.deliver()
    last = Payment.objects.latest("created_at")
    assert last.amount == pytest.approx(4900 - 2450, abs=5)
    assert last.credits == about(500)


def test_changing_back_and_forth_brings_nothing(world: World) -> None:
    subscription = world.subscribe()
    for plan in ("Pro plan", "Basic plan") * 3:
        world.change_later(subscription, plan)
    world.sandbox.advance(days=32)
    world.sandbox.deliver()
    assert balance(world.owner) == about(600)


def test_a_change_at_once_after_one_that_waits_has_both(world: World) -> None:
    subscription = world.subscribe()
    world.sandbox.advance(seconds=half_of_the_period(subscription))
    world.change_later(subscription, "Basic plan", 3)
    world.change_in_portal(subscription, "Pro plan")
    world.sandbox.deliver()
    upgrade = Payment.objects.get(kind="plan_change")
    assert upgrade.amount == pytest.approx((3 * 4900 - 1900) // 2, abs=5)
    assert upgrade.credits == about((3 * 1000 - 300) // 2)


def test_left_over_credits_become_permanent_only_for_money(world: World) -> None:
    """A plan that costs less and brings more gives money back, so nothing was paid for it."""
    subscription = world.subscribe()
    given = get_client().v1.prices.create(
        {
            "product": world.price("Pro plan").product.stripe_id,
            "currency": "usd",
            "unit_amount": 500,
            "recurring": {"interval": "month"},
            "metadata": {"credits": "1000"},
        }
    )
    world.sandbox.deliver()
    world.change_in_portal_to(subscription, given.id)
    world.sandbox.deliver()
    change = Payment.objects.get(kind="plan_change")
    assert (change.total < 0, change.amount) == (True, 0)
    lots = CreditLot.objects.filter(account__owner=world.owner, remaining__gt=0)
    assert {lot.credit_type for lot in lots} == {"subscription"}
    assert sum(lot.remaining for lot in lots) == about(1000)
