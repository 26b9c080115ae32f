"""Sent after commit, to whoever wants to tell people; nothing depends on a receiver.

``payment_succeeded`` and ``payment_failed`` have ``payment``; ``subscription_changed`` has
``subscription`` and ``previous_status`` (empty for a new one); ``payment_refunded`` has
``payment``; ``fulfilment_failed`` has ``payment``, whose ``fulfilment_error`` is new;
``dispute_changed`` has ``dispute`` and ``previous_status``; ``invoice_problem`` has
``invoice_id``, ``owner`` and ``problem``, which is ``"finalization_failed"``,
``"marked_uncollectible"`` or ``"voided"``; ``event_died`` has ``event``; ``catalogue_problem``
has ``price``, whose metadata can't be read (``metadata.problems(price.metadata_errors)``).
"""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.dispatch import Signal

payment_succeeded = Signal()
payment_failed = Signal()
payment_refunded = Signal()
fulfilment_failed = Signal()
subscription_changed = Signal()
dispute_changed = Signal()
invoice_problem = Signal()
event_died = Signal()
catalogue_problem = Signal()


def send_after_commit(signal: Signal, sender: type, **facts: Any) -> None:
    """Send once the running transaction is committed; a receiver's error is only logged."""
    transaction.on_commit(lambda: signal.send_robust(sender, **facts) and None)
