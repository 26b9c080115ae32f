"""What happened to credits: sent after the commit, at least once, in order for each account.

A receiver gets ``sender`` (:class:`~quickscale_credits.models.CreditAccount`), ``account``,
``transaction`` (``None`` for those of the balance and of an end that comes), and ``event``, the
:class:`~quickscale_credits.models.CreditEvent`: its ``pk`` tells a second delivery of the same,
and its ``payload`` has the figures as text. A receiver that raises is rolled back and tried again
later, alone; nobody else waits for it. See :mod:`quickscale_credits.outbox`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from asgiref.sync import async_to_sync
from django.dispatch import Signal

Receiver = Callable[..., Any]


class LedgerSignal(Signal):
    def named_receivers(self, sender: type) -> list[tuple[str, Receiver]]:
        """Every receiver that is connected, by its dotted name; the async ones made callable."""
        plain, asynchronous = self._live_receivers(sender)
        return [
            *((dotted_name(receiver), receiver) for receiver in plain),
            *((dotted_name(receiver), async_to_sync(receiver)) for receiver in asynchronous),
        ]


def dotted_name(receiver: Any) -> str:
    named = receiver if hasattr(receiver, "__qualname__") else type(receiver)
    return f"{named.__module__}.{named.__qualname__}"


credits_granted = LedgerSignal()
credits_consumed = LedgerSignal()
credits_expired = LedgerSignal()
credits_revoked = LedgerSignal()
credits_reversed = LedgerSignal()
credits_adjusted = LedgerSignal()
credits_converted = LedgerSignal()
# Once for the account that gives, and once for the one that receives.
credits_transferred = LedgerSignal()
# Both of the balance look at credits that have begun, held ones included.
# Once when it falls to the account's threshold, and again only after it rose above it.
balance_low = LedgerSignal()
# Credits of a lot end within one of QUICKSCALE_CREDITS_EXPIRY_WARNINGS: once for each lot and time.
credits_expiring = LedgerSignal()
# Once when nothing is left.
balance_depleted = LedgerSignal()
# Finished work cost more than the account had; event.payload has the amount that is missing.
shortfall_recorded = LedgerSignal()
