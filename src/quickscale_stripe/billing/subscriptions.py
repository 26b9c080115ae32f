"""Subscriptions: mirrored from Stripe, and changed there."""

from __future__ import annotations

import hashlib
import logging
from copy import copy
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

import stripe
from django.db import connection, transaction

from quickscale_stripe import signals
from quickscale_stripe.billing import customers, movements, news
from quickscale_stripe.catalogue import mirror
from quickscale_stripe.client import get_client
from quickscale_stripe.conf import app_settings
from quickscale_stripe.exceptions import HookFailedError, NotOursError, stripe_errors
from quickscale_stripe.internal import clock
from quickscale_stripe.internal.sdk import at, given, id_of, maybe_at
from quickscale_stripe.internal.syncing import Write, synced
from quickscale_stripe.models import StripeCustomer, StripePrice, Subscription

logger = logging.getLogger(__name__)

_NEVER_BEGAN = (Subscription.Status.INCOMPLETE, Subscription.Status.INCOMPLETE_EXPIRED)


def sync(subscription_id: str) -> Subscription | None:
    """Mirror a subscription; ``None`` if it isn't this site's.

    This moves no credits, unless the subscription has ended and ``ENDED_POLICY`` takes the rest.

    Raises:
        HookFailedError: it is mirrored, but the hook for its end failed.
        StripeUnavailableError, StripeRefusedError
    """
    return synced(prepare, subscription_id)


def prepare(subscription_id: str) -> Write[Subscription]:
    """Fetch a subscription for :func:`sync`, and return what writes it.

    Raises:
        NotOursError, StripeUnavailableError, StripeRefusedError
    """
    fetched_at = clock.database_now()
    return partial(_save_and_follow, prepare_from(_retrieve(subscription_id), fetched_at))


def _save_and_follow(save: Write[Subscription]) -> Subscription:
    with transaction.atomic():
        row = save()
        failure = follow_end(row)
    if failure:
        raise failure
    return row


def _retrieve(subscription_id: str) -> stripe.Subscription:
    with stripe_errors():
        return get_client().v1.subscriptions.retrieve(
            subscription_id, {"expand": ["schedule", "discounts.source.coupon"]}
        )


def prepare_from(remote: stripe.Subscription, fetched_at: datetime) -> Write[Subscription]:
    """Do the same as :func:`prepare` for a subscription that was fetched with its schedule.

    If it has discounts that are not expanded, it is fetched again.

    Args:
        fetched_at: ``quickscale_stripe.internal.clock.database_now`` before the fetch. A row
            that was written from a later fetch stays: a slow response brings no old state back.

    Raises:
        NotOursError, StripeUnavailableError, StripeRefusedError
    """
    customer = customers.find(metadata=remote.metadata, stripe_id=id_of(remote.customer))
    if customer is None:
        raise NotOursError(f"The subscription {remote.id} belongs to no customer of this site.")
    if remote.status in _NEVER_BEGAN and not customers.is_marked(remote.metadata):
        # It would block a sign-up here, and only the other tool can end it.
        raise NotOursError(
            f"The subscription {remote.id} belongs to another tool and was never paid for."
        )
    if any(isinstance(discount, str) for discount in remote.discounts):
        remote = _retrieve(remote.id)
    item = plan_item(remote) if remote.items.data else None
    price = mirror.get_price(item.price.id) if item else None
    fields = _fields(remote, customer, item, price, _pending_price(remote, price), fetched_at)
    return partial(_save, remote, fields, fetched_at)


def plan_item(remote: stripe.Subscription) -> stripe.SubscriptionItem:
    """Return the plan's item: the first whose price is this site's, else the first.

    Another tool or the dashboard added the others, such as support or seats.

    Raises:
        StripeUnavailableError, StripeRefusedError
    """
    items = remote.items.data
    return next((item for item in items if _is_ours(item.price.id)), items[0])


def _is_ours(price_id: str) -> bool:
    price = mirror.get_price(price_id)
    return price is not None and price.for_sale


def _save(
    remote: stripe.Subscription, fields: dict[str, Any], fetched_at: datetime
) -> Subscription:
    with transaction.atomic():
        row, is_new = Subscription.objects.get_or_create(stripe_id=remote.id, defaults=fields)
        row = Subscription.objects.select_for_update().get(pk=row.pk)
        if row.synced_at > fetched_at:
            return row
        before = None if is_new else copy(row)
        for name, value in fields.items():
            setattr(row, name, value)
        row.save()
        movements.note(row, before.mrr if before else Decimal(0), remote.currency, fetched_at)
        signals.send_after_commit(
            signals.subscription_changed,
            Subscription,
            subscription=row,
            previous_status=before.status if before else "",
        )
        news.announce(row, before)
    return row


def follow_end(subscription: Subscription) -> HookFailedError | None:
    """Apply the policy to the credits of a subscription that has ended.

    Returns:
        the hook's failure, for the caller to raise after the row is committed.
    """
    if not subscription.ended_at:
        return None
    key = f"subscription:{subscription.stripe_id}:ended"
    try:
        with transaction.atomic():
            app_settings.fulfilment.end_subscription(subscription=subscription, key=key)
            connection.check_constraints()
    except Exception as error:
        logger.exception("The hook for the end of %s failed", subscription.stripe_id)
        failure = HookFailedError(f"{subscription.stripe_id}: {type(error).__name__}: {error}")
        failure.__cause__ = error
        return failure
    return None


def sync_all_of(customer: StripeCustomer) -> list[Subscription]:
    """Mirror a customer's subscriptions that have not ended, and return them."""
    with stripe_errors():
        remote = get_client().v1.subscriptions.list({"customer": customer.stripe_id or ""})
        ids = [found.id for found in remote.auto_paging_iter()]
    rows = [sync(subscription_id) for subscription_id in ids]
    return [row for row in rows if row and row.is_live]


def cancel_at_period_end(
    subscription: Subscription, *, feedback: str = "", comment: str = ""
) -> Subscription | None:
    """End the subscription with the paid period, and drop any scheduled change.

    ``feedback`` is one of Stripe's reasons, such as ``too_expensive``, and ``comment`` is in the
    customer's own words. Stripe's dashboard shows both.
    """
    release_schedule(subscription)
    end: stripe.params.SubscriptionUpdateParams = {"cancel_at_period_end": True}
    if details := given(feedback=feedback, comment=comment):
        end["cancellation_details"] = details  # type: ignore[typeddict-item]
    return _set_end(subscription, end)


def reactivate(subscription: Subscription) -> Subscription | None:
    """Undo a cancellation before the subscription ends, wherever it was made."""
    with stripe_errors():
        remote = get_client().v1.subscriptions.retrieve(subscription.stripe_id)
    if remote.cancel_at_period_end:
        return _set_end(subscription, {"cancel_at_period_end": False})
    if remote.cancel_at:
        return _set_end(subscription, {"cancel_at": ""})
    return sync(subscription.stripe_id)


def keep_plan(subscription: Subscription) -> Subscription | None:
    """Drop the plan change that was scheduled for the next period."""
    release_schedule(subscription)
    return sync(subscription.stripe_id)


def cancel_now(subscription: Subscription) -> Subscription | None:
    """End the subscription at once; Stripe refunds nothing by itself."""
    with stripe_errors():
        get_client().v1.subscriptions.cancel(subscription.stripe_id)
    return sync(subscription.stripe_id)


def _set_end(
    subscription: Subscription, end: stripe.params.SubscriptionUpdateParams
) -> Subscription | None:
    # The key contains the current state: a double click is one request, and a later change another.
    change = hashlib.sha256(repr(end).encode()).hexdigest()
    state = f"{subscription.stripe_id}:{change}:{subscription.synced_at.timestamp()}"
    with stripe_errors():
        get_client().v1.subscriptions.update(
            subscription.stripe_id, end, {"idempotency_key": f"cancel:{state}"}
        )
    return sync(subscription.stripe_id)


def release_schedule(subscription: Subscription) -> None:
    """Drop a scheduled change; the subscription can't be changed while it has a schedule."""
    if subscription.schedule_id:
        with stripe_errors():
            get_client().v1.subscription_schedules.release(subscription.schedule_id)


def _fields(
    remote: stripe.Subscription,
    customer: StripeCustomer,
    item: stripe.SubscriptionItem | None,
    price: StripePrice | None,
    pending_price: StripePrice | None,
    fetched_at: datetime,
) -> dict[str, Any]:
    period_end = at(item.current_period_end) if item else None
    return {
        "owner": customer.owner,
        "price": price,
        "quantity": (item.quantity if item else None) or 1,
        "status": remote.status,
        "current_period_start": at(item.current_period_start) if item else None,
        "current_period_end": period_end,
        "trial_end": maybe_at(remote.trial_end),
        "cancel_at": maybe_at(remote.cancel_at)
        or (period_end if remote.cancel_at_period_end else None),
        "canceled_at": maybe_at(remote.canceled_at),
        "ended_at": maybe_at(remote.ended_at),
        "end_reason": (remote.cancellation_details and remote.cancellation_details.reason) or "",
        "pending_price": pending_price,
        "pending_at": period_end if pending_price else None,
        "schedule_id": id_of(remote.schedule) or "",
        "mrr": movements.mrr_of(remote, fetched_at),
        "livemode": remote.livemode,
        "created_at": at(remote.created),
        "synced_at": fetched_at,
    }


def _pending_price(remote: stripe.Subscription, now: StripePrice | None) -> StripePrice | None:
    """Return the plan that a schedule starts when the current period ends, if it differs."""
    schedule = remote.schedule
    if not isinstance(schedule, stripe.SubscriptionSchedule) or schedule.status != "active":
        return None
    current = schedule.current_phase
    coming = [
        phase for phase in schedule.phases if current and phase.start_date >= current.end_date
    ]
    ids = [id_of(item.price) or "" for item in coming[0].items] if coming else []
    price_id = next(filter(_is_ours, ids), ids[0] if ids else None)
    price = mirror.get_price(price_id) if price_id else None
    return price if price != now else None
