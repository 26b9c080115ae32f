"""Signals, sent after commit. Nothing depends on a receiver."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.dispatch import Signal

#: A payment came in. Sent with ``payment``.
payment_succeeded = Signal()
#: A bank or a card refused a payment, or asks for confirmation. Sent with ``payment``.
payment_failed = Signal()
#: Money went back, in whole or in part. Sent with ``payment``.
payment_refunded = Signal()
#: A hook failed. Sent with ``payment``, whose ``fulfilment_error`` is new.
fulfilment_failed = Signal()
#: A subscription is new or has changed. Sent with ``subscription`` and ``previous_status``, which
#: is empty for a new one.
subscription_changed = Signal()
#: A subscription was cancelled and has not ended yet, or its end was moved. Sent with
#: ``subscription``, which ends at its ``cancel_at``.
cancellation_scheduled = Signal()
#: A cancellation was undone before the subscription ended. Sent with ``subscription``.
cancellation_withdrawn = Signal()
#: Another plan begins when the current period ends. Sent with ``subscription``; the plan is its
#: ``pending_price``.
plan_change_scheduled = Signal()
#: A subscription that had begun has ended. Sent with ``subscription``; its ``end_reason`` says why.
subscription_ended = Signal()
#: A refund is new. Sent with ``refund``; read it again for the ``credits_revoked``.
refund_made = Signal()
#: A refund that was made did not arrive: the bank sent it back, or it was cancelled. Sent with
#: ``refund``.
refund_failed = Signal()
#: A dispute is new, or its status changed. Sent with ``dispute`` and ``previous_status``.
dispute_changed = Signal()
#: An invoice will not be paid. Sent with ``invoice_id``, ``owner`` and ``problem``, which is
#: ``"finalization_failed"``, ``"marked_uncollectible"`` or ``"voided"``.
invoice_problem = Signal()
#: An event failed for the last time. Sent with ``event``.
event_died = Signal()
#: A price's metadata can't be read. Sent with ``price``;
#: ``metadata.problems(price.metadata_errors)`` says what is wrong.
catalogue_problem = Signal()


def send_after_commit(signal: Signal, sender: type, **facts: Any) -> None:
    """Send after the current transaction commits; a receiver's error is only logged."""
    transaction.on_commit(lambda: signal.send_robust(sender, **facts) and None)
