"""Deliver events after the commit that wrote them, at least once, in order for each account.

The write that an event reports also delivers it, right after its commit, unless an older event of
the account is still waiting. Waiting events, and those that failed because the process died or a
receiver raised an exception, are left to ``manage.py deliver_credit_events``, which a scheduler
runs every minute or so. A backlog therefore never slows down a request.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import count

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from quickscale_credits.conf import app_settings
from quickscale_credits.internal.databases import database_of
from quickscale_credits.internal.expressions import LedgerClock
from quickscale_credits.models import CreditAccount, CreditEvent, CreditTransaction
from quickscale_credits.signals import (
    LedgerSignal,
    Receiver,
    balance_depleted,
    balance_low,
    credits_adjusted,
    credits_consumed,
    credits_converted,
    credits_expired,
    credits_expiring,
    credits_granted,
    credits_reversed,
    credits_revoked,
    credits_transferred,
    shortfall_recorded,
)

logger = logging.getLogger(__name__)

SIGNALS: Mapping[str, LedgerSignal] = {
    CreditEvent.Kind.GRANTED: credits_granted,
    CreditEvent.Kind.CONSUMED: credits_consumed,
    CreditEvent.Kind.EXPIRED: credits_expired,
    CreditEvent.Kind.REVOKED: credits_revoked,
    CreditEvent.Kind.REVERSED: credits_reversed,
    CreditEvent.Kind.ADJUSTED: credits_adjusted,
    CreditEvent.Kind.CONVERTED: credits_converted,
    CreditEvent.Kind.TRANSFERRED: credits_transferred,
    CreditEvent.Kind.LOW_BALANCE: balance_low,
    CreditEvent.Kind.DEPLETED: balance_depleted,
    CreditEvent.Kind.EXPIRING: credits_expiring,
    CreditEvent.Kind.SHORTFALL: shortfall_recorded,
}
# A delivery that takes longer than this is given up, and the event is delivered again.
DELIVERY_TIME = timedelta(minutes=5)
LONGEST_WAIT = timedelta(hours=12)
ON_COMMIT = 20  # the most events that a write delivers
BATCH = 500  # events read at once
UNHEARD = 100  # a process without receivers finishes events after this many writes

_writes = count(1)


def deliver_after_commit(account_id: int, *, since: datetime, using: str) -> None:
    """Deliver the account's events of the current transaction once it has committed.

    ``since`` is the ledger's time of the write.
    """
    if not app_settings.deliver_on_commit:
        return
    if _anyone_listens():
        transaction.on_commit(
            lambda: _deliver_new(account_id, since, using), using=using, robust=True
        )
    elif next(_writes) % UNHEARD == 0:
        transaction.on_commit(lambda: _pass_over(using, BATCH), using=using, robust=True)


def deliver_due(*, limit: int | None = None, using: str | None = None) -> int:
    """Deliver what is due for all accounts or ``limit`` of them; return the number delivered."""
    using = using or database_of()
    delivered = _pass_over(using)
    due = _open(using).filter(next_attempt_at__lte=LedgerClock())
    accounts = due.order_by("account_id").values_list("account_id", flat=True).distinct()[:limit]
    return delivered + sum(deliver_account(account_id, using=using) for account_id in accounts)


def deliver_account(account_id: int, *, using: str | None = None) -> int:
    """Deliver an account's events, oldest first, and return how many are finished.

    A receiver that failed gets no later event before it has handled this one; others do.
    """
    return _deliver(_events(account_id, using or database_of()))


def _pass_over(using: str, limit: int | None = None) -> int:
    """Finish at most ``limit`` events that have no receivers, and return their number."""
    unheard = [kind for kind, signal in SIGNALS.items() if not signal.has_listeners(CreditAccount)]
    events = _open(using).filter(
        kind__in=unheard, pending__isnull=True, next_attempt_at__lte=LedgerClock()
    )
    done = {"pending": [], "delivered_at": LedgerClock()}
    if limit is None:
        return events.update(**done)
    some = events.order_by("next_attempt_at", "pk").select_for_update(skip_locked=True)
    with transaction.atomic(using=using):
        return _open(using).filter(pk__in=some.values("pk")[:limit]).update(**done)


def _deliver_new(account_id: int, since: datetime, using: str) -> int:
    events = list(_open_events(account_id, using)[:ON_COMMIT])
    if events and events[0].created_at < since:
        return 0
    return _deliver(events)


def _events(account_id: int, using: str) -> Iterator[CreditEvent]:
    last = 0
    while events := list(_open_events(account_id, using).filter(pk__gt=last)[:BATCH]):
        yield from events
        last = events[-1].pk


def _deliver(events: Iterable[CreditEvent]) -> int:
    waiting: set[str] = set()
    delivered = 0
    for event in events:
        receivers = SIGNALS[event.kind].named_receivers(CreditAccount)
        if event.pending is not None:
            receivers = [pair for pair in receivers if pair[0] in event.pending]
        names = {name for name, _receiver in receivers}
        if not event.is_due:  # type: ignore[attr-defined]
            if event.pending is None:  # another process is still delivering it for the first time
                break
            waiting |= names
            continue
        ready = [pair for pair in receivers if pair[0] not in waiting]
        if ready:
            if not _claim(event):
                break
            waiting |= _send(event, ready)
        left = sorted(names & waiting)
        if ready or not left:
            _record(event, left)
        delivered += not left
    return delivered


def purge(*, older_than: timedelta | None = None, using: str | None = None) -> int:
    """Delete events that were delivered longer ago than ``older_than``; return their number.

    The default is ``QUICKSCALE_CREDITS_EVENT_RETENTION``. Younger events are not read.
    """
    age = app_settings.event_retention if older_than is None else older_than
    if age is None:
        return 0
    moment, last, deleted = timezone.now() - age, 0, 0
    using = using or database_of()
    while True:
        events = list(CreditEvent.objects.using(using).filter(pk__gt=last).order_by("pk")[:BATCH])
        old = [event.pk for event in events if event.delivered_at and event.delivered_at < moment]
        deleted += CreditEvent.objects.using(using).filter(pk__in=old).delete()[0]
        if not events or events[-1].created_at >= moment:
            return deleted
        last = events[-1].pk


def _anyone_listens() -> bool:
    return any(
        signal.receivers and signal.has_listeners(CreditAccount) for signal in SIGNALS.values()
    )


def _open(using: str) -> QuerySet[CreditEvent]:
    return CreditEvent.objects.using(using).filter(delivered_at=None)


def _open_events(account_id: int, using: str) -> QuerySet[CreditEvent]:
    events = _open(using).filter(account_id=account_id).select_related("account")
    return events.annotate(is_due=Q(next_attempt_at__lte=LedgerClock())).order_by("pk")


def _claim(event: CreditEvent) -> bool:
    """Claim an event for this process until the time limit; return whether that succeeded."""
    event.attempts += 1
    claimed = (
        _open(database_of(event))
        .filter(pk=event.pk, attempts=event.attempts - 1)
        .update(attempts=event.attempts, next_attempt_at=LedgerClock() + DELIVERY_TIME)
    )
    return bool(claimed)


def _send(event: CreditEvent, receivers: Iterable[tuple[str, Receiver]]) -> set[str]:
    """Call the receivers and return the names of those that failed."""
    using = database_of(event)
    entry = None
    if key := event.payload.get("transaction"):
        entry = CreditTransaction.objects.using(using).filter(pk=key).first()
    failed = set()
    for name, receiver in receivers:
        try:
            with transaction.atomic(using=using):
                receiver(
                    signal=SIGNALS[event.kind],
                    sender=CreditAccount,
                    account=event.account,
                    transaction=entry,
                    event=event,
                )
        except Exception as error:
            logger.exception("%s failed for the credit event %s", name, event.pk)
            event.last_error = f"{name}: {error!r}"
            failed.add(name)
    return failed


def _record(event: CreditEvent, left: list[str]) -> None:
    """Record that all receivers except those in ``left`` have had the event."""
    if left:
        wait = min(timedelta(minutes=2 ** min(event.attempts, 10)), LONGEST_WAIT)
        event.pending = left
        event.next_attempt_at = LedgerClock() + wait
    else:
        event.pending = []
        event.delivered_at = timezone.now()
    event.save(update_fields=["pending", "next_attempt_at", "delivered_at", "last_error"])
