"""The inbox of Stripe's events, which are verified, stored, claimed, handled once and retried.

An event is stored in its own transaction before anything else. Its handler then asks Stripe,
outside a transaction. To write, a worker claims the event by locking its row. So a killed worker
leaves nothing that has to time out, and two workers never write at once. What the handler writes
and the status "processed" are committed together.
"""

from __future__ import annotations

import json
import logging
import traceback
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import partial
from typing import Any, NoReturn

import stripe
from django.db import DataError, connection, transaction
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from quickscale_stripe import signals
from quickscale_stripe.client import get_client, webhook_secrets
from quickscale_stripe.conf import app_settings
from quickscale_stripe.events.handlers import handler_for
from quickscale_stripe.exceptions import (
    HookFailedError,
    InvalidWebhookError,
    NotOursError,
    StripeRefusedError,
    stripe_errors,
)
from quickscale_stripe.internal.syncing import Write
from quickscale_stripe.models import StripeEvent

logger = logging.getLogger(__name__)

_MALFORMED = (
    ValueError, TypeError, KeyError, AttributeError, OverflowError, OSError, RecursionError
)  # fmt: skip
_LONGEST_RETRY_DELAY = timedelta(hours=12)
_PURGED_AT_ONCE = 1000


class Outcome(Enum):
    """What :func:`process` did: the event is done, it failed, or another worker has it."""

    DONE = "done"
    FAILED = "failed"
    BUSY = "busy"


def receive(body: bytes, signature: str | None) -> StripeEvent:
    """Verify a request from Stripe and store its event, or return the one already stored.

    Args:
        body: the request's raw body, a snapshot event or a thin one.
        signature: its ``Stripe-Signature`` header.

    Raises:
        InvalidWebhookError: the request isn't signed with one of our secrets, is too old, or isn't
            an event. Nothing is stored then.
    """
    _verify(body, signature)
    return _keep(body)


def fetch(event_id: str) -> Outcome:
    """Handle a snapshot event that Stripe didn't deliver.

    Raises:
        StripeUnavailableError, StripeRefusedError: also for an unknown event.
    """
    with stripe_errors():
        event = get_client().v1.events.retrieve(event_id)
    return process(_keep(str(event)).pk)


def process(event_id: int) -> Outcome:
    """Handle a stored event, unless it is done or another worker is handling it.

    Errors are not raised but recorded on the event, with the time of the next attempt. After
    ``EVENT_MAX_ATTEMPTS`` the event is dead.
    """
    event = StripeEvent.objects.filter(pk=event_id).first()
    if event is None:
        return Outcome.BUSY
    if event.is_done:
        return Outcome.DONE
    write = _prepare(event)
    with transaction.atomic():
        event = StripeEvent.objects.select_for_update(skip_locked=True).filter(pk=event_id).first()
        if event is None:
            return Outcome.BUSY
        if event.is_done:
            return Outcome.DONE
        event.attempts += 1
        failure = None
        try:
            with transaction.atomic():
                try:
                    event.status, event.error = write()
                except HookFailedError as error:
                    failure = error
                if event.status == StripeEvent.Status.IGNORED:
                    event.payload = None
                # Make deferred constraints fail here, where the failure is recorded, not at commit.
                connection.check_constraints()
            if failure:
                raise failure
        except Exception as error:
            logger.exception("Stripe event %s (%s) failed", event.stripe_id, event.type)
            _record_failure(event, error)
        else:
            event.processed_at = timezone.now()
            event.next_attempt_at = None
            event.traceback = ""
        event.save()
    return Outcome.DONE if event.processed_at else Outcome.FAILED


def replay(event: StripeEvent) -> Outcome:
    """Handle an event again whatever its status: handlers change nothing that is correct."""
    StripeEvent.objects.filter(pk=event.pk).update(
        status=StripeEvent.Status.RECEIVED, processed_at=None, next_attempt_at=None, attempts=0
    )
    return process(event.pk)


def process_due(limit: int = 1000) -> dict[Outcome, int]:
    """Handle the events that are due, one by one; for a periodic job."""
    counts = dict.fromkeys(Outcome, 0)
    for event_id in list(StripeEvent.objects.due().values_list("pk", flat=True)[:limit]):
        counts[process(event_id)] += 1
    return counts


def purge(*, before: datetime, using: str | None = None) -> int:
    """Drop the payloads of done or dead events that are older, and return how many.

    Their errors and tracebacks, which may quote a payload, are dropped with them. The rows stay, so
    that an event that arrives again is recognised and can be handled again.
    """
    events = StripeEvent.objects.using(using)
    kept = events.finished().filter(received_at__lt=before, payload__isnull=False)
    count = 0
    while ids := list(kept.values_list("pk", flat=True)[:_PURGED_AT_ONCE]):
        count += events.filter(pk__in=ids).update(payload=None, error="", traceback="")
    return count


def _keep(body: bytes | str) -> StripeEvent:
    try:
        fields = _read(json.loads(body))
        with transaction.atomic():
            StripeEvent.objects.bulk_create([StripeEvent(**fields)], ignore_conflicts=True)
    except (*_MALFORMED, DataError) as error:
        raise InvalidWebhookError(f"This is not an event: {type(error).__name__}.") from error
    return StripeEvent.objects.get(stripe_id=fields["stripe_id"])


def _verify(body: bytes, signature: str | None) -> None:
    for secret in webhook_secrets():
        try:
            stripe.WebhookSignature.verify_header(
                body, signature, secret, app_settings.webhook_tolerance
            )
        except (stripe.SignatureVerificationError, ValueError, TypeError):
            # ValueError: a body that isn't UTF-8; TypeError: a signature that isn't ASCII.
            continue
        return
    raise InvalidWebhookError("The request is not signed with one of this site's secrets.")


def _read(event: Any) -> dict[str, Any]:
    """Return the columns of an event, snapshot or thin, from its JSON."""
    thin = {"v2.core.event": True, "event": False}[event["object"]]
    about = event.get("related_object") if thin else event["data"]["object"]
    fields = {
        "stripe_id": event["id"],
        "type": event["type"],
        "object_id": (about or {}).get("id") or "",
        "api_version": event.get("api_version") or "",
        "snapshot_id": (event.get("snapshot_event") or "") if thin else "",
        "account": event.get("context" if thin else "account") or "",
    }
    for name, value in fields.items():
        if not isinstance(value, str) or len(value) > 255 or "\0" in value:
            raise ValueError(name)
    if not fields["stripe_id"] or not isinstance(event["livemode"], bool):
        raise ValueError("id")
    created = event["created"]
    moment = parse_datetime(created) if thin else datetime.fromtimestamp(created, UTC)
    if moment is None or timezone.is_naive(moment):
        raise ValueError("created")
    return fields | {"livemode": event["livemode"], "created_at": moment, "payload": event}


def _prepare(event: StripeEvent) -> Write[tuple[StripeEvent.Status, str]]:
    """Ask Stripe; return a function that writes and gives the status and why it was ignored.

    That function also raises any error, so that it is recorded under the event's lock.
    """
    try:
        write = _handle(event)
    except NotOursError as error:
        return partial(_done, StripeEvent.Status.IGNORED, str(error))
    except Exception as error:
        return partial(_raise, error)
    return write


def _handle(event: StripeEvent) -> Write[tuple[StripeEvent.Status, str]]:
    if event.account:
        raise NotOursError(f"It happened on the connected account {event.account}.")
    if event.livemode != app_settings.live_mode:
        raise NotOursError("It belongs to the other mode.")
    handler = handler_for(event.type.removeprefix("v1."))
    if handler is None or not event.object_id:
        raise NotOursError("Nothing here handles events of this type.")
    if _came_in_other_format(event):
        raise NotOursError("It also came in the other format.")
    try:
        write = handler(event)
    except StripeRefusedError as error:
        if error.is_missing and event.object_id in str(error):
            raise NotOursError(f"Stripe no longer has {event.object_id}.") from error
        raise
    return partial(_done, StripeEvent.Status.PROCESSED, "", write)


def _done(
    status: StripeEvent.Status, reason: str, write: Write[object] | None = None
) -> tuple[StripeEvent.Status, str]:
    if write:
        write()
    return status, reason


def _raise(error: Exception) -> NoReturn:
    raise error


def _came_in_other_format(event: StripeEvent) -> bool:
    """Return whether the same event came in the other format and was processed."""
    if event.type.startswith("v1."):
        if not event.snapshot_id:
            event.snapshot_id = _snapshot_of(event.stripe_id)
            event.save(update_fields=["snapshot_id"])
        twins = StripeEvent.objects.filter(stripe_id=event.snapshot_id or None)
    else:
        twins = StripeEvent.objects.filter(snapshot_id=event.stripe_id)
    return twins.filter(status=StripeEvent.Status.PROCESSED).exists()


def _snapshot_of(thin_id: str) -> str:
    """Return the snapshot event of a thin one; empty if the key isn't allowed to ask."""
    try:
        with stripe_errors():
            return get_client().v2.core.events.retrieve(thin_id).snapshot_event or ""
    except StripeRefusedError:
        return ""


def _record_failure(event: StripeEvent, error: Exception) -> None:
    event.error = f"{type(error).__name__}: {error}"
    event.traceback = traceback.format_exc()
    if event.attempts >= app_settings.event_max_attempts:
        event.status, event.next_attempt_at = StripeEvent.Status.DEAD, None
        signals.send_after_commit(signals.event_died, StripeEvent, event=event)
    else:
        event.status = StripeEvent.Status.FAILED
        delay = timedelta(seconds=app_settings.event_retry_delay) * 2 ** (event.attempts - 1)
        event.next_attempt_at = timezone.now() + min(delay, _LONGEST_RETRY_DELAY)
