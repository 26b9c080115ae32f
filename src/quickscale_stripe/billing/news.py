"""What is new about a subscription: the signals that a change of its row sends.

Only what differs from the row before is announced, so an event that comes twice or late announces
nothing, and neither does a change that was undone before this site read it.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.dispatch import Signal

from quickscale_stripe import signals
from quickscale_stripe.models import Subscription

_NEVER_BEGAN = (Subscription.Status.INCOMPLETE, Subscription.Status.INCOMPLETE_EXPIRED)


def announce(row: Subscription, before: Subscription | None) -> None:
    """Send the signals after commit.

    Args:
        row: the locked row, with its new values.
        before: the same row with its old values; ``None`` for a new one.
    """
    for signal in _news(row, before):
        signals.send_after_commit(signal, Subscription, subscription=row)


def _news(row: Subscription, before: Subscription | None) -> Iterator[Signal]:
    if row.status in _NEVER_BEGAN:
        return
    if not row.is_live:
        if before is None or (before.is_live and before.status not in _NEVER_BEGAN):
            yield signals.subscription_ended
        return
    ended_at = before.cancel_at if before else None
    if row.cancel_at and row.cancel_at != ended_at:
        yield signals.cancellation_scheduled
    if ended_at and not row.cancel_at:
        yield signals.cancellation_withdrawn
    if row.pending_price_id and before and row.pending_price_id != before.pending_price_id:
        yield signals.plan_change_scheduled
