"""Signals about credits, sent after the commit, at least once, and in order for each account.

A receiver gets ``sender`` (:class:`~quickscale_credits.models.CreditAccount`), ``account``,
``transaction`` (``None`` for ``balance_low``, ``balance_depleted`` and ``credits_expiring``), and
``event``, a :class:`~quickscale_credits.models.CreditEvent`. A repeated delivery has the same
``event.pk``, and ``event.payload`` has the figures as text. If a receiver raises an exception, its
writes are rolled back and it alone is tried again later; other receivers don't wait for it. See
``quickscale_credits.internal.outbox``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from asgiref.sync import async_to_sync
from django.dispatch import Signal

Receiver = Callable[..., Any]


class LedgerSignal(Signal):
    def named_receivers(self, sender: type) -> list[tuple[str, Receiver]]:
        """Return every connected receiver by its dotted name, with async ones made sync."""
        plain, asynchronous = self._live_receivers(sender)
        return [
            *((dotted_name(receiver), receiver) for receiver in plain),
            *((dotted_name(receiver), async_to_sync(receiver)) for receiver in asynchronous),
        ]


def dotted_name(receiver: Any) -> str:
    named = receiver if hasattr(receiver, "__qualname__") else type(receiver)
    return f"{named.__module__}.{named.__qualname__}"


#: Credits were added: bought, given, or for a new period.
credits_granted = LedgerSignal()
#: Credits were used.
credits_consumed = LedgerSignal()
#: Credits ended.
credits_expired = LedgerSignal()
#: Credits were taken back, for example after a refund.
credits_revoked = LedgerSignal()
#: What a transaction took was given back.
credits_reversed = LedgerSignal()
#: Credits were removed by hand.
credits_adjusted = LedgerSignal()
#: What was left of a lot became pay-as-you-go credits or was rolled over.
credits_converted = LedgerSignal()
#: Credits moved to another account; sent once for the giving and once for the receiving account.
credits_transferred = LedgerSignal()
#: The balance fell to the account's threshold; sent again only after it has risen above it. Like
#: :data:`balance_depleted`, it counts credits that have started, including held ones.
balance_low = LedgerSignal()
#: Free credits of a lot end within one of ``QUICKSCALE_CREDITS_EXPIRY_WARNINGS``; sent once for
#: each lot and time, when ``expire_credits`` runs. ``event.payload`` has ``lot``, ``type``,
#: ``amount`` and ``expires_at``.
credits_expiring = LedgerSignal()
#: Nothing is left.
balance_depleted = LedgerSignal()
#: Finished work cost more than the account had; ``event.payload`` has the missing amount.
shortfall_recorded = LedgerSignal()
