"""When Stripe sends an event to several workers at once, it has its effect once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from quickscale_credits.models import CreditLot
from quickscale_stripe.events.handlers import HANDLERS
from quickscale_stripe.events.reconcile import reconcile
from quickscale_stripe.models import Payment, StripePrice
from quickscale_stripe_sandbox import Sandbox
from quickscale_stripe_sandbox.internal import thin
from tests.quickscale_stripe.proof.stories import STORIES
from tests.quickscale_stripe.proof.test_permutations import check_end, settle
from tests.quickscale_stripe.proof.world import World, end_of
from tests.quickscale_stripe.shopping import balance, open_checkout
from tests.quickscale_stripe.test_webhooks import post

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(actions: list[Callable[[], Any]]) -> list[Any]:
    """Run the actions in threads that start together."""
    start = Barrier(len(actions))

    def run(action: Callable[[], Any]) -> Any:
        try:
            start.wait(timeout=30)
            return action()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(actions)) as threads:
        return list(threads.map(run, actions))


def sending(event: dict[str, Any]) -> Callable[[], int]:
    return lambda: int(post(event).status_code)


@pytest.mark.parametrize(
    "name", ["refunded_in_parts", "dispute_won", "renewed", "changed_in_the_portal"]
)
def test_each_event_from_eight_threads(shop: Sandbox, owner: Any, name: str) -> None:
    """Four threads send the snapshot and four send the thin event."""
    told = len(shop.events())
    for _ in STORIES[name].tell(World(shop, owner)):
        pass
    events = [event for event in shop.events()[told:] if event["type"] in HANDLERS]

    for event in events:
        answers = at_once([sending(event), sending(thin.notification(event))] * 4)
        assert set(answers) <= {200, 409, 500}
    settle(events)

    check_end(STORIES[name], owner)
    end_of(owner)


def test_everything_that_may_grant_at_once(shop: Sandbox, owner: Any, package: StripePrice) -> None:
    """Events, the page after the payment and reconciliation race for one purchase."""
    session = open_checkout(owner, package)
    told = len(shop.events())
    shop.pay(session)
    events = [event for event in shop.events()[told:] if event["type"] in HANDLERS]
    buyer = Client()
    buyer.force_login(owner)
    page = f"{reverse('quickscale_stripe:checkout_done')}?session_id={session}"

    at_once(
        [sending(event) for event in events]
        + [sending(thin.notification(event)) for event in events]
        + [lambda: buyer.get(page).status_code] * 3
        + [lambda: list(reconcile(since=timezone.now() - timedelta(days=1)))] * 2
    )
    settle(events)

    assert Payment.objects.get().status == "succeeded"
    assert CreditLot.objects.count() == 1
    assert balance(owner) == 100
