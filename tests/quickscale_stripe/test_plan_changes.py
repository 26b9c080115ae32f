"""The preview of a plan change, what its token allows, and the requests to Stripe."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core import signing
from django.utils import timezone

from quickscale_credits.models import CreditLot
from quickscale_stripe.billing import plan_changes
from quickscale_stripe.client import get_client
from quickscale_stripe.exceptions import (
    NotForSaleError,
    PreviewExpiredError,
    StripeRefusedError,
    SubscriptionEndsError,
)
from quickscale_stripe.models import Payment, StripePrice, Subscription
from quickscale_stripe_sandbox import Sandbox
from quickscale_stripe_sandbox.recording import RecordingHTTPClient
from tests.owners import make_owner
from tests.quickscale_stripe.conftest import UseClient
from tests.quickscale_stripe.proof.world import World
from tests.quickscale_stripe.shopping import alter, balance

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(shop: Sandbox, owner: Any) -> World:
    return World(shop, owner)


@pytest.fixture
def row(world: World) -> Subscription:
    """A subscription to the Basic plan, 300 credits for 19.00 USD each month."""
    found = world.known(world.subscribe())
    world.sandbox.deliver()
    return found


def price(interval: str = "month", amount: int | None = 1900, count: int = 1) -> StripePrice:
    return StripePrice(interval=interval, unit_amount=amount, interval_count=count)


@pytest.mark.parametrize(
    ("old", "new", "is_upgrade"),
    [
        (None, price(amount=0), True),
        (price(), price(amount=1901), True),
        (price(), price(), False),
        (price(), price(amount=1899), False),
        (price(), price("year", 100), True),
        (price("year", 100), price(amount=9900), False),
        (price(amount=None), price(amount=0), False),
        (price(amount=None), price(amount=1), True),
        (price(amount=0), price(amount=None), False),
    ],
)
def test_a_longer_interval_or_a_higher_amount_for_the_same_is_an_upgrade(
    old: StripePrice | None, new: StripePrice, is_upgrade: bool
) -> None:
    assert plan_changes.is_upgrade(Subscription(price=old), new) is is_upgrade


def test_the_preview_of_an_upgrade_has_what_stripe_says(world: World, row: Subscription) -> None:
    before = timezone.now()
    shown = plan_changes.preview(subscription=row, price=world.price("Pro plan"))
    assert (shown.price, shown.is_upgrade) == (world.price("Pro plan"), True)
    assert (shown.due_now, shown.currency, shown.tax) == (3000, "usd", 0)
    assert before.replace(microsecond=0) <= shown.takes_effect <= timezone.now()
    assert [amount for _words, amount in shown.lines] == [-1900, 4900]
    assert [words.split(" on ")[1].split(" after")[0] for words, _amount in shown.lines] == [
        "Basic plan", "Pro plan",
    ]  # fmt: skip
    assert (shown.credits, shown.left_over, shown.paid_share) == (700, 300, 1)


def test_a_preview_before_the_period_by_this_clock_is_for_its_start(
    world: World, row: Subscription
) -> None:
    """The site's clock may be behind Stripe's, and no time before the period is charged."""
    world.sandbox.advance(days=40)
    row = world.known(row.stripe_id)
    assert row.current_period_start
    assert row.current_period_start > timezone.now()
    shown = plan_changes.preview(subscription=row, price=world.price("Pro plan"))
    assert (shown.takes_effect, shown.due_now) == (row.current_period_start, 3000)
    changed = plan_changes.change(
        subscription=row, price=world.price("Pro plan"), token=shown.token
    )
    assert changed is not None
    assert changed.price == world.price("Pro plan")


def test_a_preview_without_an_invoice_before_promises_no_credits(
    world: World, row: Subscription
) -> None:
    alter(world.sandbox, "subscription", row.stripe_id, latest_invoice=None)
    shown = plan_changes.preview(subscription=row, price=world.price("Pro plan"))
    assert (shown.credits, shown.left_over, shown.paid_share) == (0, None, 0)


def test_a_preview_that_brings_no_credits_says_nothing_of_those_left_over(
    world: World, row: Subscription
) -> None:
    Payment.objects.update(credits=5000)
    shown = plan_changes.preview(subscription=row, price=world.price("Pro plan"))
    assert (shown.credits, shown.left_over, shown.paid_share) == (0, None, 1)


def test_taxes_and_lines_without_words_are_shown(
    world: World, row: Subscription, use_client: UseClient
) -> None:
    class Taxing(RecordingHTTPClient):
        def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
            text, status, headers = super().request(method, url, *args, **kwargs)
            if url.endswith("/v1/invoices/create_preview"):
                invoice = json.loads(text)
                [line] = invoice["lines"]["data"][:1]
                invoice["lines"]["data"] = [line | {"description": None, "amount": 7}]
                invoice["total_taxes"] = [
                    {"amount": amount, "tax_behavior": "exclusive"} for amount in (3, 4)
                ]
                text = json.dumps(invoice)
            return text, status, headers

    alter(world.sandbox, "subscription", row.stripe_id, latest_invoice=None)
    use_client(Taxing(world.sandbox))
    shown = plan_changes.preview(subscription=row, price=world.price("Pro plan"))
    assert (shown.tax, shown.tax_is_included, shown.lines) == (7, False, (("", 7),))


def test_the_preview_of_a_downgrade_asks_for_no_money_and_waits_for_the_period_s_end(
    world: World,
) -> None:
    row = world.known(world.subscribe("Pro plan"))
    basic = world.price("Basic plan")
    shown = plan_changes.preview(subscription=row, price=basic)
    assert (shown.price, shown.is_upgrade, shown.due_now) == (basic, False, 0)
    assert (shown.currency, shown.takes_effect) == ("usd", row.current_period_end)
    assert (shown.lines, shown.tax, shown.credits, shown.left_over) == ((), 0, 0, None)
    row.current_period_end = None
    before = timezone.now()
    assert plan_changes.preview(subscription=row, price=basic).takes_effect >= before


def test_a_downgrade_keeps_the_seats_and_leaves_the_subscription_free_afterwards(
    world: World,
) -> None:
    row = world.known(world.subscribe("Pro plan"))
    world.change_later(row.stripe_id, "Pro plan", 3)
    row = world.known(row.stripe_id)
    basic = world.price("Basic plan")
    shown = plan_changes.preview(subscription=row, price=basic)
    changed = plan_changes.change(subscription=row, price=basic, token=shown.token)
    assert changed is not None
    assert (changed.price, changed.pending_price) == (world.price("Pro plan"), basic)
    assert changed.pending_at == changed.current_period_end
    schedule = get_client().v1.subscription_schedules.retrieve(changed.schedule_id)
    assert (schedule.end_behavior, schedule.status) == ("release", "active")
    now, then = schedule.phases
    assert changed.current_period_start
    assert changed.current_period_end
    assert now.start_date == int(changed.current_period_start.timestamp())
    assert now.end_date == then.start_date == int(changed.current_period_end.timestamp())
    assert [(item.price, item.quantity) for item in now.items] == [
        (world.price("Pro plan").stripe_id, 3)
    ]
    assert [(item.price, item.quantity) for item in then.items] == [(basic.stripe_id, 3)]

    world.sandbox.advance(days=32)
    world.sandbox.deliver()
    row.refresh_from_db()
    assert (row.price, row.pending_price, row.quantity) == (basic, None, 3)
    world.sandbox.advance(days=32)
    world.sandbox.deliver()
    row.refresh_from_db()
    assert (row.price, row.status) == (basic, "active")
    paid = Payment.objects.order_by("created_at").values_list("amount", flat=True)
    # The two seats added late are charged with the first of these invoices, Stripe's default.
    assert list(paid)[-2:] == [2 * 4900 + 3 * 1900, 3 * 1900]


def test_another_downgrade_replaces_the_one_that_waits(world: World) -> None:
    yearly, monthly = world.price("Pro plan", "year"), world.price("Pro plan")
    session_price = world.price("Basic plan")
    row = world.known(world.subscribe("Pro plan"))
    upgrade(world, row, yearly)
    row = world.known(row.stripe_id)
    schedules = []
    for lower in (monthly, session_price):
        shown = plan_changes.preview(subscription=row, price=lower)
        changed = plan_changes.change(subscription=row, price=lower, token=shown.token)
        assert changed is not None
        assert (changed.price, changed.pending_price) == (yearly, lower)
        schedules.append(changed.schedule_id)
        row = changed
    assert schedules[0] == schedules[1]


def upgrade(world: World, row: Subscription, to: StripePrice) -> Subscription:
    shown = plan_changes.preview(subscription=row, price=to)
    changed = plan_changes.change(subscription=row, price=to, token=shown.token)
    assert changed is not None
    return changed


def test_an_upgrade_is_paid_and_brings_its_credits_at_once_and_drops_a_waiting_downgrade(
    world: World,
) -> None:
    row = world.known(world.subscribe("Pro plan"))
    world.sandbox.deliver()
    basic = world.price("Basic plan")
    shown = plan_changes.preview(subscription=row, price=basic)
    waiting = plan_changes.change(subscription=row, price=basic, token=shown.token)
    assert waiting is not None
    assert waiting.pending_price == basic
    changed = upgrade(world, waiting, world.price("Pro plan", "year"))
    assert (changed.price, changed.pending_price) == (world.price("Pro plan", "year"), None)
    assert changed.schedule_id == ""
    change = Payment.objects.get(kind="plan_change")
    assert (change.is_paid, balance(world.owner) > 1000) == (True, True)


def test_the_same_change_sent_twice_is_charged_once(world: World, row: Subscription) -> None:
    """On a double click, the second request has the same token as the first."""
    pro = world.price("Pro plan")
    shown = plan_changes.preview(subscription=row, price=pro)
    for _ in range(2):
        plan_changes.change(subscription=Subscription.objects.get(), price=pro, token=shown.token)
        Subscription.objects.update(price=row.price)
    assert Payment.objects.filter(kind="plan_change").count() == 1
    assert len(get_client().v1.invoices.list().data) == 2


def test_a_token_is_good_for_its_own_change_within_an_hour(
    world: World, row: Subscription, monkeypatch: pytest.MonkeyPatch
) -> None:
    pro, yearly = world.price("Pro plan"), world.price("Pro plan", "year")
    token = plan_changes.preview(subscription=row, price=pro).token

    def change(token: str, price: StripePrice = pro, subscription: Subscription = row) -> None:
        plan_changes.change(subscription=subscription, price=price, token=token)

    with pytest.raises(PreviewExpiredError):
        change(token, yearly)
    with pytest.raises(PreviewExpiredError):
        change(token + "x")
    moment = int(timezone.now().timestamp())
    with pytest.raises(PreviewExpiredError):
        change(signing.dumps([row.stripe_id, pro.stripe_id, moment]))
    other = World(world.sandbox, make_owner("bob@example.com"))
    with pytest.raises(PreviewExpiredError):
        change(token, pro, other.known(other.subscribe()))
    now = time.time()
    monkeypatch.setattr("django.core.signing.time.time", lambda: now + 3700)
    with pytest.raises(PreviewExpiredError):
        change(token)
    assert not Payment.objects.filter(kind="plan_change").exists()
    monkeypatch.setattr("django.core.signing.time.time", lambda: now + 3500)
    change(token)
    assert Payment.objects.get(kind="plan_change").is_paid


def test_a_preview_of_the_last_period_can_t_be_paid(world: World, row: Subscription) -> None:
    pro = world.price("Pro plan")
    token = plan_changes.preview(subscription=row, price=pro).token
    world.sandbox.advance(days=32)
    with pytest.raises(PreviewExpiredError):
        plan_changes.change(subscription=row, price=pro, token=token)
    assert Subscription.objects.get().price == row.price


def test_only_another_plan_on_offer_can_be_changed_to(world: World, row: Subscription) -> None:
    pro = world.price("Pro plan")
    token = plan_changes.preview(subscription=row, price=pro).token
    package = world.price("Starter pack")
    assert row.price
    for other in (row.price, package):
        with pytest.raises(NotForSaleError):
            plan_changes.preview(subscription=row, price=other)
    StripePrice.objects.filter(pk=pro.pk).update(active=False)
    with pytest.raises(NotForSaleError):
        plan_changes.change(subscription=row, price=pro, token=token)


def test_a_subscription_that_ends_is_not_changed(world: World, row: Subscription) -> None:
    row.cancel_at = timezone.now() + timedelta(days=3)
    with pytest.raises(SubscriptionEndsError):
        plan_changes.preview(subscription=row, price=world.price("Pro plan"))


@pytest.mark.parametrize(
    "how", [{"cancel_at_period_end": True}, {"cancel_at": 2_000_000_000}], ids=["period", "date"]
)
def test_a_cancellation_whose_event_has_not_come_is_seen_and_kept(
    world: World, row: Subscription, how: dict[str, Any]
) -> None:
    alter(world.sandbox, "subscription", row.stripe_id, **how)
    if "cancel_at_period_end" in how:
        alter(world.sandbox, "subscription", row.stripe_id, cancel_at=None)
    with pytest.raises(SubscriptionEndsError):
        plan_changes.preview(subscription=row, price=world.price("Pro plan"))
    row.refresh_from_db()
    expected = (
        row.current_period_end
        if "cancel_at_period_end" in how
        else datetime.fromtimestamp(how["cancel_at"], UTC)
    )
    assert row.cancel_at == expected


def test_what_stripe_refuses_is_this_site_s_error(world: World, row: Subscription) -> None:
    pro = world.price("Pro plan")
    token = plan_changes.preview(subscription=row, price=pro).token
    row.stripe_id = "sub_unknown"
    with pytest.raises(StripeRefusedError):
        plan_changes.preview(subscription=row, price=pro)
    token = signing.dumps(
        ["sub_unknown", pro.stripe_id, 1], salt="quickscale_stripe.billing.plan_changes"
    )
    with pytest.raises(StripeRefusedError):
        plan_changes.change(subscription=row, price=pro, token=token)


def test_credits_of_a_declined_upgrade_stay_those_of_a_period(world: World) -> None:
    """A change that was not paid must convert nothing, wherever it was made."""
    row = world.known(world.subscribe(method="renewal_declined"))
    world.sandbox.deliver()
    changed = upgrade(world, row, world.price("Pro plan"))
    assert changed.price == world.price("Basic plan")
    change = Payment.objects.get(kind="plan_change")
    assert (change.status, change.credits, change.paid_at) == ("failed", 0, None)
    assert balance(world.owner) == Decimal(300)
    assert {lot.credit_type for lot in CreditLot.objects.all()} == {"subscription"}


def test_a_plan_in_another_currency_than_the_subscriber_s_is_not_changed_to(
    world: World, row: Subscription
) -> None:
    """Stripe allows one currency at a time for each customer."""
    euros = world.price("Pro plan")
    euros.pk, euros.stripe_id, euros.currency = None, "price_in_euros", "eur"
    euros.save()
    with pytest.raises(NotForSaleError):
        plan_changes.preview(subscription=row, price=euros)
