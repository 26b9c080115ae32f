"""Monthly recurring revenue: what each subscription is worth, and how that changed.

A subscription's row is overwritten when Stripe's changes, so it says nothing about earlier months.
Each change of its monthly worth therefore has a permanent row, written with the change under the
subscription's lock. A report that comes twice or late changes and writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

import stripe
from django.db.models import F, Sum

from quickscale_stripe.internal.sdk import optional
from quickscale_stripe.models import MrrMovement, Subscription

_COUNTED = (Subscription.Status.ACTIVE, Subscription.Status.PAST_DUE)
_A_MONTH = {
    "day": Decimal(365) / 12,
    "week": Decimal(52) / 12,
    "month": Decimal(1),
    "year": Decimal(1) / 12,
}
_KINDS = MrrMovement.Kind


def mrr_of(remote: stripe.Subscription, at: datetime) -> Decimal:
    """Return a subscription's monthly revenue in minor units of its currency.

    While it is active or overdue, that is its items' prices times their quantities, without tax,
    less the subscription's own discounts unless they are for one invoice. Metered, tiered and trial
    items count nothing.

    Args:
        remote: with its discounts and their coupons expanded.
        at: the time to compute it for: a discount may have ended.
    """
    if remote.status not in _COUNTED:
        return Decimal(0)
    worth = sum((_of_item(item) for item in remote.items.data), Decimal(0))
    for discount in remote.discounts:
        if isinstance(discount, stripe.Discount) and (coupon := _lasting(discount, at)):
            worth -= _cut(coupon, worth, remote.items.data)
    return max(Decimal(0), worth).quantize(Decimal("0.0001"))


def note(subscription: Subscription, before: Decimal, currency: str, at: datetime) -> None:
    """Record that the worth of a locked subscription changed.

    The kind is decided by customer, as ChartMogul and others do: a second subscription is an
    expansion, and a customer who had none for a while is reactivated.

    Args:
        before: minor units each month before the change; the row has the new amount.
        at: when the change was seen; the row's own times are used where they are more exact.
    """
    after = subscription.mrr
    if before == after:
        return
    others = MrrMovement.objects.filter(currency=currency, livemode=subscription.livemode)
    if subscription.owner_id is None:
        others = others.filter(subscription=subscription)
    else:
        others = others.filter(owner=subscription.owner_id)
    had: Decimal = others.aggregate(net=Sum(F("after") - F("before")))["net"] or Decimal(0)
    if had <= 0:
        kind = _KINDS.REACTIVATION if others.exists() else _KINDS.NEW
    elif had + after - before <= 0:
        kind = _KINDS.CHURN
    else:
        kind = _KINDS.EXPANSION if after > before else _KINDS.CONTRACTION
    MrrMovement.objects.create(
        owner=subscription.owner,
        subscription=subscription,
        currency=currency,
        livemode=subscription.livemode,
        kind=kind,
        before=before,
        after=after,
        at=_time(subscription, at),
    )


def verify(using: str | None = None) -> Iterator[str]:
    """Yield a sentence for each subscription whose movements don't add up to its current worth."""
    subscriptions = Subscription.objects.using(using).prefetch_related("movements")
    for subscription in subscriptions.iterator(1000):
        worth = Decimal(0)
        for movement in sorted(subscription.movements.all(), key=lambda movement: movement.pk):
            if movement.before != worth:
                yield f"{subscription.stripe_id}: {movement.before} follows {worth}."
            worth = movement.after
        if worth != subscription.mrr:
            yield f"{subscription.stripe_id}: {worth} by movements, but {subscription.mrr} now."


def _of_item(item: stripe.SubscriptionItem) -> Decimal:
    recurring = item.price.recurring
    amount = item.price.unit_amount_decimal
    if recurring is None or recurring.usage_type == "metered" or amount is None:
        return Decimal(0)
    quantity = optional(item, "quantity") or 1
    return Decimal(amount) * quantity * _monthly(recurring)


def _lasting(discount: stripe.Discount, at: datetime) -> stripe.Coupon | None:
    """Return the coupon of a discount that also applies to future invoices."""
    coupon = discount.source.coupon
    is_over = discount.end is not None and discount.end <= at.timestamp()
    if is_over or not isinstance(coupon, stripe.Coupon) or coupon.duration == "once":
        return None
    return coupon


def _cut(coupon: stripe.Coupon, worth: Decimal, items: list[stripe.SubscriptionItem]) -> Decimal:
    if coupon.percent_off is not None:
        return worth * Decimal(str(coupon.percent_off)) / 100
    recurring = items[0].price.recurring if items else None
    return Decimal(coupon.amount_off or 0) * (_monthly(recurring) if recurring else 1)


def _monthly(recurring: stripe.Price.Recurring) -> Decimal:
    return _A_MONTH[recurring.interval] / recurring.interval_count


def _time(subscription: Subscription, at: datetime) -> datetime:
    if subscription.ended_at:
        return subscription.ended_at
    if subscription.movements.exists():
        return at
    return min(at, max(subscription.created_at, subscription.trial_end or subscription.created_at))
