"""Run the fulfilment class for a payment. A failure loses nothing of the payment.

What Stripe reports is kept and the failure is noted on the payment. Whatever reads the payment from
Stripe again retries: its event, the page after the payment, the admin, ``reconcile_stripe``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.db import connection, transaction
from django.utils import timezone

from quickscale_stripe import signals
from quickscale_stripe.billing import returns
from quickscale_stripe.exceptions import FulfilmentFailedError
from quickscale_stripe.models import Payment

logger = logging.getLogger(__name__)


def deliver(payment: Payment, bring: Callable[[Payment], None]) -> FulfilmentFailedError | None:
    """Deliver a paid payment, once, and adjust its credits to refunds and disputes.

    Args:
        payment: locked and saved; if a hook fails, it stays as before, with the failure noted.
        bring: calls the hooks for what was paid for.

    Returns:
        the failure, for the caller to raise after the payment is committed.
    """
    return _attempt(payment, bring)


def follow(payment: Payment) -> FulfilmentFailedError | None:
    """Adjust a delivered payment's credits to refunds and disputes; returns as :func:`deliver`."""
    return _attempt(payment, None) if payment.fulfilled_at else None


def _attempt(
    payment: Payment, bring: Callable[[Payment], None] | None
) -> FulfilmentFailedError | None:
    if bring and payment.fulfilled_at is None and payment.owner is None:
        _note_missing_owner(payment)
        return None
    try:
        with transaction.atomic():
            if bring and payment.fulfilled_at is None:
                bring(payment)
                payment.fulfilled_at = timezone.now()
                signals.send_after_commit(signals.payment_succeeded, Payment, payment=payment)
            returns.claim(payment)
            payment.fulfilment_error = ""
            payment.save()
            # Make deferred constraints fail here, where the failure is noted, not at commit.
            connection.check_constraints()
    except Exception as error:
        logger.exception("Payment %s could not be fulfilled", payment.pk)
        return _note(payment, error)
    return None


def _note_missing_owner(payment: Payment) -> None:
    """Report to the staff a payment whose owner was deleted; a retry would not help."""
    if not payment.fulfilment_error:
        payment.fulfilment_error = "The owner was deleted before the payment arrived."
        payment.save()
        signals.send_after_commit(signals.fulfilment_failed, Payment, payment=payment)


def _note(payment: Payment, error: Exception) -> FulfilmentFailedError:
    payment.refresh_from_db()
    is_new = not payment.fulfilment_error
    payment.fulfilment_error = f"{type(error).__name__}: {error}"
    payment.save()
    if is_new:
        signals.send_after_commit(signals.fulfilment_failed, Payment, payment=payment)
    failure = FulfilmentFailedError(payment)
    failure.__cause__ = error
    return failure
