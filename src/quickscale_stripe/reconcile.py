"""Finding and mending what no event told: Stripe's lists against what is here.

Events can be lost, by a site that is down for days or by Stripe itself. Each object of a window
goes through the same functions as its events do, then each event that didn't come, and what they
changed is reported.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import models, transaction
from django.db.models import Q

from quickscale_stripe import fulfilment, invoices, reversals, subscriptions, webhooks
from quickscale_stripe.client import get_client
from quickscale_stripe.exceptions import PaymentsError, stripe_errors
from quickscale_stripe.handlers import HANDLERS
from quickscale_stripe.models import Dispute, Payment, Refund, StripeEvent, Subscription

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Difference:
    """What was mended, or would be; ``error`` instead when it could not be."""

    kind: str
    stripe_id: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    error: str = ""


@dataclass(frozen=True)
class _Kind:
    name: str
    ids: Callable[[int], Iterator[str]]
    sync: Callable[[str], object]
    model: type[models.Model]
    key: str
    facts: tuple[str, ...]


def reconcile(*, since: datetime, dry_run: bool = False) -> Iterator[Difference]:
    """Compare what Stripe has made since then with what is here, and mend it.

    Args:
        since: begin of the window; Stripe's own time of each object's making counts.
        dry_run: report only, and undo what mending would have written. What depends on
            something else that is missing is then reported as an error.

    Raises:
        PaymentsOffError, StripeUnavailableError, StripeRefusedError: of a list. The errors of one
            object are reported, and the others go on.
    """
    for kind in _KINDS:
        with stripe_errors():
            ids = list(kind.ids(int(since.timestamp())))
        for stripe_id in reversed(ids):
            difference = _mend(kind, stripe_id, dry_run)
            if difference.error or difference.before != difference.after:
                yield difference


def _mend(kind: _Kind, stripe_id: str, dry_run: bool) -> Difference:
    before = _facts(kind, stripe_id)
    try:
        if dry_run:
            with transaction.atomic():
                kind.sync(stripe_id)
                after = _facts(kind, stripe_id)
                transaction.set_rollback(True)
        else:
            kind.sync(stripe_id)
            after = _facts(kind, stripe_id)
    except PaymentsError as error:
        return Difference(kind.name, stripe_id, before, None, str(error))
    except Exception as error:
        logger.exception("%s %s can't be reconciled", kind.name, stripe_id)
        return Difference(kind.name, stripe_id, before, None, f"{type(error).__name__}: {error}")
    return Difference(kind.name, stripe_id, before, after, (after or {}).get("error", ""))


def _facts(kind: _Kind, stripe_id: str) -> dict[str, Any] | None:
    rows = kind.model._default_manager.filter(**{kind.key: stripe_id})
    return rows.values(*kind.facts).first()


def _sessions(since: int) -> Iterator[str]:
    sessions = get_client().v1.checkout.sessions
    found = sessions.list({"created": {"gte": since}, "status": "complete", "limit": 100})
    return (session.id for session in found.auto_paging_iter())


def _subscriptions(since: int) -> Iterator[str]:
    """All that have not ended, however old, and those of the window that have."""
    listed = get_client().v1.subscriptions.list({"status": "all", "limit": 100})
    for found in listed.auto_paging_iter():
        if found.ended_at is None or found.ended_at >= since:
            yield found.id


def _invoices(since: int) -> Iterator[str]:
    found = get_client().v1.invoices.list({"created": {"gte": since}, "limit": 100})
    return (invoice.id for invoice in found.auto_paging_iter())


def _refunds(since: int) -> Iterator[str]:
    found = get_client().v1.refunds.list({"created": {"gte": since}, "limit": 100})
    return (refund.id for refund in found.auto_paging_iter())


def _disputes(since: int) -> Iterator[str]:
    found = get_client().v1.disputes.list({"created": {"gte": since}, "limit": 100})
    return (dispute.id for dispute in found.auto_paging_iter())


def _events(since: int) -> Iterator[str]:
    """Events that didn't come, or that failed, for what happened now to older objects."""
    done = StripeEvent.objects.exclude(
        status__in=[StripeEvent.Status.RECEIVED, StripeEvent.Status.FAILED]
    )
    found = get_client().v1.events.list({"created": {"gte": since}, "limit": 100})
    for event in found.auto_paging_iter():
        told = Q(stripe_id=event.id) | Q(snapshot_id=event.id)
        if event.type in HANDLERS and not done.filter(told).exists():
            yield event.id


_PAYMENT = ("status", "amount", "credits", "fulfilled_at")
_KINDS = (
    _Kind("checkout", _sessions, fulfilment.fulfil, Payment, "checkout_session_id", _PAYMENT),
    _Kind(
        "subscription",
        _subscriptions,
        subscriptions.sync,
        Subscription,
        "stripe_id",
        ("status", "price", "current_period_end", "cancel_at_period_end", "pending_price"),
    ),
    _Kind("invoice", _invoices, invoices.sync, Payment, "invoice_id", _PAYMENT),
    _Kind(
        "refund",
        _refunds,
        reversals.sync_refund,
        Refund,
        "stripe_id",
        ("status", "amount", "credits_revoked"),
    ),
    _Kind(
        "dispute",
        _disputes,
        reversals.sync_dispute,
        Dispute,
        "stripe_id",
        ("status", "amount", "is_withdrawn", "credits_revoked"),
    ),
    _Kind("event", _events, webhooks.fetch, StripeEvent, "stripe_id", ("status", "error")),
)
