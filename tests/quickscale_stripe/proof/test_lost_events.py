"""Reconciliation alone leads to the same end as the events that were lost."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from quickscale_stripe.events.reconcile import reconcile
from quickscale_stripe.models import Payment, Refund, StripeEvent
from quickscale_stripe_sandbox import Sandbox
from tests.quickscale_stripe.proof.stories import STORIES
from tests.quickscale_stripe.proof.test_permutations import check_end, in_order, tell, undone
from tests.quickscale_stripe.proof.world import World, end_of, load
from tests.quickscale_stripe.shopping import balance

pytestmark = pytest.mark.django_db


LOST = [
    "bought_by_bank", "refused_by_the_bank", "one_of_several_refunds_failed", "dispute_won",
    "renewal_failed_and_recovered", "changed_to_and_fro", "downgraded",
    "customer_deleted_and_made_anew",
]  # fmt: skip


@pytest.mark.parametrize("name", LOST)
def test_reconciling_alone_ends_the_same(shop: Sandbox, owner: Any, name: str) -> None:
    story = STORIES[name]
    told = tell(story, shop, owner)
    with undone():
        in_order(told, shop)
        expected = end_of(owner)
    load(shop, told.states[-1])
    since = timezone.now() - timedelta(days=1)

    assert [one.error for one in reconcile(since=since) if one.error] == []

    check_end(story, owner)
    assert end_of(owner) == expected
    assert list(reconcile(since=since)) == []


def test_a_recent_change_of_an_older_object_is_found(shop: Sandbox, owner: Any) -> None:
    """A refund was made weeks before the window and failed within it."""
    world = World(shop, owner)
    refund = shop.refund(world.charge(world.buy()), amount=450)
    shop.deliver()
    assert balance(owner) == 50
    shop.advance(days=40)
    shop.set_delivery("hold")
    shop.fail_refund(refund)
    since = timezone.now() + timedelta(days=39)

    found = [(one.kind, one.error) for one in reconcile(since=since)]

    assert set(found) == {("event", "")}
    assert Refund.objects.get().status == "failed"
    assert balance(owner) == 100
    assert list(reconcile(since=since)) == []


def test_a_lost_event_is_in_the_inbox_afterwards(shop: Sandbox, owner: Any) -> None:
    shop.set_delivery("hold")
    World(shop, owner).buy()
    call_command("reconcile_stripe", "--dry-run")
    assert not StripeEvent.objects.exists()
    assert not Payment.objects.exists()

    call_command("reconcile_stripe")

    event = StripeEvent.objects.get(type="checkout.session.completed")
    assert event.status == "processed"
    shop.release()
    shop.deliver()
    assert {row["state"] for row in shop.deliveries()} == {"delivered"}
    assert balance(owner) == 100
