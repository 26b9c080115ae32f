"""A story ends the same if events come late, twice, in any order and in either format."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from quickscale_credits.models import CreditAccount
from quickscale_stripe.events.handlers import HANDLERS
from quickscale_stripe.models import Payment, StripeCustomer, StripeEvent, Subscription
from quickscale_stripe_sandbox import Sandbox
from quickscale_stripe_sandbox.internal import thin
from tests.quickscale_stripe.proof.stories import STORIES, Story
from tests.quickscale_stripe.proof.world import State, World, end_of, load, save
from tests.quickscale_stripe.test_webhooks import post

pytestmark = pytest.mark.django_db

COPIES = 2
#: Stripe tries for days. This many attempts for all failed events are more than enough here.
TRIES = 4


@dataclass
class Told:
    """A story that has happened: Stripe's state after each step, and the events of each step."""

    states: list[State]
    events: list[list[dict[str, Any]]]


def tell(story: Story, sandbox: Sandbox, owner: Any) -> Told:
    """Let a story happen at Stripe. The site keeps only the owner's customer of it."""
    told, seen = Told([], []), len(sandbox.events())
    with transaction.atomic():
        steps = story.tell(World(sandbox, owner))
        more = True
        while more:
            more = next(steps, "end") is None
            events = sandbox.events()
            told.states.append(save(sandbox))
            # The site stores and ignores the others, see test_webhooks.py.
            told.events.append([event for event in events[seen:] if event["type"] in HANDLERS])
            seen = len(events)
        customer = StripeCustomer.objects.get(owner=owner)
        transaction.set_rollback(True)
    customer.save(force_insert=True)
    return told


@contextmanager
def undone() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def deliver(waiting: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Send these events, and return those that Stripe would have to send again."""
    return [event for event in waiting if post(event).status_code != 200]


def settle(waiting: list[dict[str, Any]]) -> None:
    """Send the events again, as Stripe does later."""
    for _ in range(TRIES):
        waiting = deliver(waiting)
    assert waiting == []
    left = StripeEvent.objects.exclude(status__in=["processed", "ignored"])
    assert list(left.values_list("type", "error")) == []


def in_order(told: Told, sandbox: Sandbox) -> None:
    waiting: list[dict[str, Any]] = []
    for state, events in zip(told.states, told.events, strict=True):
        load(sandbox, state)
        waiting = deliver(waiting + events)
    settle(waiting)


@st.composite
def deliveries(draw: st.DrawFn, steps: int, events: int) -> list[tuple[bool, int, int]]:
    """Draw for each copy of each event whether it is thin, how many steps late, and its turn."""
    one = st.tuples(st.booleans(), st.integers(0, steps), st.integers(0, 2**16))
    return draw(st.lists(one, min_size=COPIES * events, max_size=COPIES * events))


def as_they_come(told: Told, sandbox: Sandbox, drawn: list[tuple[bool, int, int]]) -> None:
    last = len(told.states) - 1
    arrivals: list[list[tuple[int, dict[str, Any]]]] = [[] for _ in told.states]
    copies = iter(drawn)
    for step, events in enumerate(told.events):
        for event in events:
            for _ in range(COPIES):
                is_thin, late, turn = next(copies)
                body = thin.notification(event) if is_thin else event
                arrivals[min(step + late, last)].append((turn, body))
    waiting: list[dict[str, Any]] = []
    for state, arriving in zip(told.states, arrivals, strict=True):
        load(sandbox, state)
        arriving.sort(key=lambda arrival: arrival[0])
        waiting = deliver(waiting + [body for _, body in arriving])
    settle(waiting)


def check_end(story: Story, owner: Any) -> None:
    payments = [
        (row.kind, row.status, round(row.credits)) for row in Payment.objects.order_by("pk")
    ]
    assert sorted(payments) == story.payments
    balance = CreditAccount.objects.for_owner(owner).get_balance_by_type()
    assert {kind: round(balance.get(kind, 0)) for kind in story.balance} == story.balance
    row = Subscription.objects.select_related("price__product").first()
    ends = (row.status, row.price.product.name) if row and row.price else None
    assert ends == story.subscription


@pytest.mark.parametrize("name", STORIES)
def test_every_order_ends_the_same(shop: Sandbox, owner: Any, name: str) -> None:
    story = STORIES[name]
    told = tell(story, shop, owner)
    with undone():
        in_order(told, shop)
        check_end(story, owner)
        expected = end_of(owner)

    @hypothesis_settings(
        max_examples=4,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(drawn=deliveries(len(told.states), sum(map(len, told.events))))
    def any_order(drawn: list[tuple[bool, int, int]]) -> None:
        with undone():
            as_they_come(told, shop, drawn)
            assert end_of(owner) == expected

    any_order()
