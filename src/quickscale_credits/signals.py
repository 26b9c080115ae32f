"""What happened to credits: sent after the commit, at least once, in order for each account.

A receiver gets ``sender`` (:class:`~quickscale_credits.models.CreditAccount`), ``account``,
``transaction`` (``None`` for those of the balance and of an end that comes), and ``event``, the
:class:`~quickscale_credits.models.CreditEvent`: its ``pk`` tells a second delivery of the same,
and its ``payload`` has the figures as text. A receiver that raises is rolled back and tried again
later, alone; nobody else waits for it. See ``quickscale_credits.internal.outbox``.
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


#: Credits came in: bought, given, or for a new period.
credits_granted = LedgerSignal()
#: Credits were used.
credits_consumed = LedgerSignal()
#: Credits ended.
credits_expired = LedgerSignal()
#: Credits were taken back, as for a refund.
credits_revoked = LedgerSignal()
#: What a transaction took was given back.
credits_reversed = LedgerSignal()
#: Credits were removed by hand.
credits_adjusted = LedgerSignal()
#: What was left of a lot became pay-as-you-go, or lives on.
credits_converted = LedgerSignal()
#: Credits moved to another account: once for the account that gives, and once for the one that
#: receives.
credits_transferred = LedgerSignal()
#: The balance fell to the account's threshold; again only after it rose above it. Like
#: :data:`balance_depleted` it looks at credits that have begun, held ones included.
balance_low = LedgerSignal()
#: Free credits of a lot end within one of ``QUICKSCALE_CREDITS_EXPIRY_WARNINGS``: once for each
#: lot and time, when ``expire_credits`` runs. ``event.payload`` has ``lot``, ``type``, ``amount``
#: and ``expires_at``.
credits_expiring = LedgerSignal()
#: Nothing is left.
balance_depleted = LedgerSignal()
#: Finished work cost more than the account had; ``event.payload`` has the amount that is missing.
shortfall_recorded = LedgerSignal()
