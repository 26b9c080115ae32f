"""Two servers of one site have different clocks; the newer state stays, whichever server saw it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from quickscale_stripe.billing import money_back, subscriptions
from quickscale_stripe.models import Dispute, Payment, Refund
from quickscale_stripe_sandbox import Sandbox
from tests.quickscale_stripe.proof.world import World
from tests.quickscale_stripe.shopping import balance

pytestmark = pytest.mark.django_db


@pytest.fixture
def ahead(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    """Run the block as on a host whose clock is an hour ahead."""
    now = timezone.now

    @contextmanager
    def host() -> Iterator[None]:
        with monkeypatch.context() as patch:
            patch.setattr("django.utils.timezone.now", lambda: now() + timedelta(hours=1))
            yield

    return host


def test_a_cancellation_on_the_other_server(
    shop: Sandbox, owner: Any, ahead: Callable[[], Any]
) -> None:
    world = World(shop, owner)
    with ahead():
        row = world.known(world.subscribe())
    canceled = subscriptions.cancel_at_period_end(row)
    assert canceled
    assert canceled.cancel_at


def test_a_refund_that_fails(shop: Sandbox, owner: Any, ahead: Callable[[], Any]) -> None:
    world = World(shop, owner)
    charge = world.charge(world.buy())
    shop.deliver()
    refund = shop.refund(charge)
    with ahead():
        money_back.sync_refund(refund)
    assert balance(owner) == 0

    shop.fail_refund(refund)
    money_back.sync_refund(refund)

    assert Refund.objects.get().status == "failed"
    assert Payment.objects.get().status == "succeeded"
    assert balance(owner) == 100


def test_a_dispute_that_is_won(shop: Sandbox, owner: Any, ahead: Callable[[], Any]) -> None:
    world = World(shop, owner)
    charge = world.charge(world.buy())
    shop.deliver()
    dispute = shop.dispute(charge)
    with ahead():
        money_back.sync_dispute(dispute)
    assert balance(owner) == 0

    shop.close_dispute(dispute, won=True)
    money_back.sync_dispute(dispute)

    assert Dispute.objects.get().status == "won"
    assert balance(owner) == 100
