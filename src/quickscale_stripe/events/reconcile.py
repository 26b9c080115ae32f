"""Find and repair what no event reported, by comparing Stripe's lists with what is here.

Events can be lost, by a site that is down for days or by Stripe itself. Each object of a time
window goes through the same functions as its events do, then each event that didn't come. Their
changes are reported.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import stripe
from django.db import models
from django.db.models import Q

from quickscale_stripe.billing import (
    charges,
    customers,
    invoices,
    money_back,
    sessions,
    subscriptions,
)
from quickscale_stripe.client import get_client
from quickscale_stripe.events import inbox
from quickscale_stripe.events.handlers import HANDLERS
from quickscale_stripe.exceptions import (
    NotOursError,
    PaymentsError,
    StripeRefusedError,
    StripeUnavailableError,
    stripe_errors,
)
from quickscale_stripe.internal.dry_run import dry_run as dry_running
from quickscale_stripe.internal.sdk import id_of
from quickscale_stripe.internal.syncing import Write
from quickscale_stripe.models import Dispute, Payment, Refund, StripeEvent, Subscription

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Difference:
    """What was or would be repaired; or the ``error`` why it could not be."""

    kind: str
    stripe_id: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    error: str = ""


@dataclass(frozen=True)
class _Kind:
    name: str
    ids: Callable[[int], Iterator[str]]
    prepare: Callable[[str], Write[object]]
    model: type[models.Model]
    key: str
    facts: tuple[str, ...]


def reconcile(*, since: datetime, dry_run: bool = False) -> Iterator[Difference]:
    """Compare what was made at Stripe since then with what is here, and repair it.

    Args:
        since: start of the window, compared with the time at which Stripe made each object.
        dry_run: only report, and write nothing here or at Stripe. What depends on something that
            is missing here, or needs a change at Stripe, is then reported as an error.

    Raises:
        PaymentsOffError: other errors, of a list or an object, are only reported.
    """
    for kind in _KINDS:
        try:
            with stripe_errors():
                ids = list(kind.ids(int(since.timestamp())))
        except (StripeUnavailableError, StripeRefusedError) as error:
            yield Difference(kind.name, "list", None, None, str(error))
            continue
        for stripe_id in reversed(ids):
            difference = _reconcile_one(kind, stripe_id, dry_run)
            if difference.error or difference.before != difference.after:
                yield difference


def _reconcile_one(kind: _Kind, stripe_id: str, dry_run: bool) -> Difference:
    before = _facts(kind, stripe_id)
    try:
        with dry_running() if dry_run else nullcontext():
            write = kind.prepare(stripe_id)
            write()
            after = _facts(kind, stripe_id)
    except NotOursError:
        after = before
    except PaymentsError as error:
        return Difference(kind.name, stripe_id, before, None, str(error))
    except Exception as error:
        logger.exception("%s %s could not be reconciled", kind.name, stripe_id)
        return Difference(kind.name, stripe_id, before, None, f"{type(error).__name__}: {error}")
    return Difference(kind.name, stripe_id, before, after, _error_of(after))


def _error_of(after: dict[str, Any] | None) -> str:
    """Return the error of a failed event; the error of an ignored one is only a reason."""
    if after is None or after["status"] == StripeEvent.Status.IGNORED:
        return ""
    return str(after.get("error", ""))


def _facts(kind: _Kind, stripe_id: str) -> dict[str, Any] | None:
    rows = kind.model._default_manager.filter(**{kind.key: stripe_id})
    return rows.values(*kind.facts).first()


def _is_ours(customer: str | stripe.Customer | None, metadata: Any = None) -> bool:
    """Return whether an object may be this site's, so that others cost no further requests."""
    return customers.find(metadata=metadata, stripe_id=id_of(customer)) is not None


def _sessions(since: int) -> Iterator[str]:
    sessions = get_client().v1.checkout.sessions
    found = sessions.list({"created": {"gte": since}, "status": "complete", "limit": 100})
    for session in found.auto_paging_iter():
        if _is_ours(session.customer, session.metadata):
            yield session.id


def _subscriptions(since: int) -> Iterator[str]:
    """Yield all that have not ended, however old, and those in the window that have."""
    listed = get_client().v1.subscriptions.list({"status": "all", "limit": 100})
    for found in listed.auto_paging_iter():
        is_recent = found.ended_at is None or found.ended_at >= since
        if is_recent and _is_ours(found.customer, found.metadata):
            yield found.id


def _invoices(since: int) -> Iterator[str]:
    found = get_client().v1.invoices.list({"created": {"gte": since}, "limit": 100})
    for invoice in found.auto_paging_iter():
        details = invoice.parent.subscription_details if invoice.parent else None
        if _is_ours(invoice.customer, details.metadata if details else None):
            yield invoice.id


def _refunds(since: int) -> Iterator[str]:
    found = get_client().v1.refunds.list({"created": {"gte": since}, "limit": 100})
    for refund in found.auto_paging_iter():
        if _is_ours(refund.customer) or _is_of_known_payment(refund):
            yield refund.id


def _disputes(since: int) -> Iterator[str]:
    found = get_client().v1.disputes.list(
        {"created": {"gte": since}, "limit": 100, "expand": ["data.charge"]}
    )
    for dispute in found.auto_paging_iter():
        charge = dispute.charge
        customer = charge.customer if isinstance(charge, stripe.Charge) else None
        if _is_ours(customer) or _is_of_known_payment(dispute):
            yield dispute.id


def _is_of_known_payment(found: stripe.Refund | stripe.Dispute) -> bool:
    return charges.find(id_of(found.payment_intent), id_of(found.charge)) is not None


def _events(since: int) -> Iterator[str]:
    """Yield events that didn't come or that failed, for recent changes of older objects."""
    done = StripeEvent.objects.exclude(
        status__in=[StripeEvent.Status.RECEIVED, StripeEvent.Status.FAILED]
    )
    found = get_client().v1.events.list({"created": {"gte": since}, "limit": 100})
    for event in found.auto_paging_iter():
        same_event = Q(stripe_id=event.id) | Q(snapshot_id=event.id)
        if event.type in HANDLERS and not done.filter(same_event).exists():
            yield event.id


def _event(event_id: str) -> Write[object]:
    return partial(inbox.fetch, event_id)


_PAYMENT = ("status", "amount", "credits", "fulfilled_at")
_KINDS = (
    _Kind("checkout", _sessions, sessions.prepare, Payment, "checkout_session_id", _PAYMENT),
    _Kind(
        "subscription",
        _subscriptions,
        subscriptions.prepare,
        Subscription,
        "stripe_id",
        ("status", "price", "current_period_end", "cancel_at", "pending_price"),
    ),
    _Kind("invoice", _invoices, invoices.prepare, Payment, "invoice_id", _PAYMENT),
    _Kind(
        "refund",
        _refunds,
        money_back.prepare_refund,
        Refund,
        "stripe_id",
        ("status", "amount", "credits_revoked"),
    ),
    _Kind(
        "dispute",
        _disputes,
        money_back.prepare_dispute,
        Dispute,
        "stripe_id",
        ("status", "amount", "is_withdrawn", "credits_revoked"),
    ),
    _Kind("event", _events, _event, StripeEvent, "stripe_id", ("status", "error")),
)
