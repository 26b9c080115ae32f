"""Subscriptions: mirrored from Stripe, and changed there."""

from __future__ import annotations

from datetime import datetime

import stripe
from django.db import transaction
from django.utils import timezone

from quickscale_stripe import catalogue, customers, signals
from quickscale_stripe.client import get_client
from quickscale_stripe.conf import app_settings
from quickscale_stripe.exceptions import stripe_errors
from quickscale_stripe.models import StripeCustomer, StripePrice, Subscription
from quickscale_stripe.stripe_objects import at, id_of, maybe_at


def sync(subscription_id: str) -> Subscription | None:
    """Mirror a subscription; ``None`` when it isn't this site's.

    Moves no credits, unless it has ended and ``ENDED_POLICY`` takes what is left.

    A fetch that began before the row's last one is dropped, so that a slow answer doesn't bring
    an old state back.

    Raises:
        StripeUnavailableError, StripeRefusedError
    """
    fetched_at = timezone.now()
    with stripe_errors():
        remote = get_client().v1.subscriptions.retrieve(subscription_id, {"expand": ["schedule"]})
    customer = customers.find(metadata=remote.metadata, stripe_id=id_of(remote.customer))
    if customer is None:
        return None
    prices = {
        price_id: price
        for price_id in {_price_id(remote), _pending_price_id(remote)} - {None}
        if price_id and (price := catalogue.get_price(price_id))
    }
    with transaction.atomic():
        row = Subscription.objects.select_for_update().filter(stripe_id=remote.id).first()
        if row is None:
            Subscription.objects.bulk_create(
                [_write(Subscription(stripe_id=remote.id), remote, customer, prices, fetched_at)],
                ignore_conflicts=True,
            )
            row = Subscription.objects.select_for_update().get(stripe_id=remote.id)
            previous = ""
        elif row.synced_at > fetched_at:
            return row
        else:
            previous = row.status
            _write(row, remote, customer, prices, fetched_at).save()
        follow_end(row)
        signals.send_after_commit(
            signals.subscription_changed, Subscription, subscription=row, previous_status=previous
        )
    return row


def follow_end(subscription: Subscription) -> None:
    """Let the credits of a subscription that has ended follow the policy."""
    if subscription.ended_at:
        app_settings.end_subscription(
            subscription=subscription, key=f"subscription:{subscription.stripe_id}:ended"
        )


def sync_all_of(customer: StripeCustomer) -> list[Subscription]:
    """Mirror a customer's subscriptions that have not ended, and return them."""
    with stripe_errors():
        remote = get_client().v1.subscriptions.list({"customer": customer.stripe_id or ""})
        ids = [found.id for found in remote.auto_paging_iter()]
    rows = [sync(subscription_id) for subscription_id in ids]
    return [row for row in rows if row and row.is_live]


def cancel_at_period_end(subscription: Subscription) -> Subscription | None:
    """Let the subscription end with the period that is paid; a change to come is dropped."""
    release_schedule(subscription)
    return _end_with_period(subscription, True)


def reactivate(subscription: Subscription) -> Subscription | None:
    """Take a cancellation back before the period ends."""
    return _end_with_period(subscription, False)


def keep_plan(subscription: Subscription) -> Subscription | None:
    """Drop the change of plan that was to come with the next period."""
    release_schedule(subscription)
    return sync(subscription.stripe_id)


def cancel_now(subscription: Subscription) -> Subscription | None:
    """End the subscription at once; Stripe pays nothing back by itself."""
    with stripe_errors():
        get_client().v1.subscriptions.cancel(subscription.stripe_id)
    return sync(subscription.stripe_id)


def _end_with_period(subscription: Subscription, ends: bool) -> Subscription | None:
    # The state it starts from makes the key: pressed twice it is one request, done again another.
    state = f"{subscription.stripe_id}:{ends}:{subscription.synced_at.timestamp()}"
    with stripe_errors():
        get_client().v1.subscriptions.update(
            subscription.stripe_id,
            {"cancel_at_period_end": ends},
            {"idempotency_key": f"cancel:{state}"},
        )
    return sync(subscription.stripe_id)


def release_schedule(subscription: Subscription) -> None:
    """Drop a change that was to come; a schedule doesn't let the subscription be changed else."""
    if subscription.schedule_id:
        with stripe_errors():
            get_client().v1.subscription_schedules.release(subscription.schedule_id)


def _write(
    row: Subscription,
    remote: stripe.Subscription,
    customer: StripeCustomer,
    prices: dict[str, StripePrice],
    fetched_at: datetime,
) -> Subscription:
    item = remote.items.data[0] if remote.items.data else None
    row.owner = customer.owner
    row.price = prices.get(_price_id(remote) or "")
    row.quantity = (item.quantity if item else None) or 1
    row.status = remote.status
    row.current_period_start = at(item.current_period_start) if item else None
    row.current_period_end = at(item.current_period_end) if item else None
    row.trial_end = maybe_at(remote.trial_end)
    row.cancel_at_period_end = remote.cancel_at_period_end
    row.cancel_at = maybe_at(remote.cancel_at)
    row.canceled_at = maybe_at(remote.canceled_at)
    row.ended_at = maybe_at(remote.ended_at)
    row.pending_price = prices.get(_pending_price_id(remote) or "")
    row.pending_at = row.current_period_end if row.pending_price else None
    row.schedule_id = id_of(remote.schedule) or ""
    row.livemode = remote.livemode
    row.created_at = at(remote.created)
    row.synced_at = fetched_at
    return row


def _price_id(remote: stripe.Subscription) -> str | None:
    """The plan's price; of several items the first, as Stripe's own pages have it."""
    return remote.items.data[0].price.id if remote.items.data else None


def _pending_price_id(remote: stripe.Subscription) -> str | None:
    """The price of the phase that a schedule starts when the current period ends."""
    schedule = remote.schedule
    if not isinstance(schedule, stripe.SubscriptionSchedule) or schedule.status != "active":
        return None
    current = schedule.current_phase
    coming = [
        phase for phase in schedule.phases if current and phase.start_date >= current.end_date
    ]
    price = id_of(coming[0].items[0].price) if coming and coming[0].items else None
    return price if price != _price_id(remote) else None
