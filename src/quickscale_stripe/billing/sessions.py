"""Checkout sessions: a finished one becomes a payment, which is delivered when it is paid."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from functools import partial

import stripe
from django.db import transaction

from quickscale_stripe import signals
from quickscale_stripe.billing import (
    charges,
    customers,
    delivery,
    invoices,
    payment_methods,
    returns,
    subscriptions,
)
from quickscale_stripe.catalogue import mirror
from quickscale_stripe.catalogue.metadata import parse_credits
from quickscale_stripe.client import get_client
from quickscale_stripe.conf import app_settings
from quickscale_stripe.exceptions import (
    FulfilmentFailedError,
    NotOursError,
    stripe_errors,
)
from quickscale_stripe.internal.sdk import at, failure_of, id_of
from quickscale_stripe.internal.syncing import Write, synced
from quickscale_stripe.models import Payment, StripeCustomer, StripePrice, Subscription
from quickscale_stripe.receipts import receipt


def sync(session_id: str) -> Payment | None:
    """Record a finished Checkout, and deliver what it bought if it is paid.

    A subscription is linked and mirrored, and its first invoice is recorded as its payment.

    It is safe to call this any number of times, simultaneously and in any order: Stripe's current
    state decides, the payment's row is locked, and the delivery has the session as its source.

    Args:
        session_id: ``cs_...``.

    Returns:
        The payment, pending, paid or failed; ``None`` when the session isn't finished, takes no
        payment or isn't this site's.

    Raises:
        FulfilmentFailedError: it is recorded, but a hook failed.
        StripeUnavailableError, StripeRefusedError: also for an unknown session.
    """
    return synced(prepare, session_id)


def prepare(session_id: str) -> Write[Payment | None]:
    """Fetch a session and what it bought for :func:`sync`, and return what writes it.

    Raises:
        NotOursError: also for a session that isn't finished.
        StripeUnavailableError, StripeRefusedError
    """
    with stripe_errors():
        session = get_client().v1.checkout.sessions.retrieve(
            session_id,
            {
                "expand": [
                    "line_items",
                    "payment_intent.latest_charge",
                    "payment_intent.payment_method",
                ]
            },
        )
    if session.status != "complete":
        raise NotOursError(f"The Checkout {session.id} is not finished.")
    if session.mode == "subscription":
        return _prepare_subscription(session)
    if session.mode == "setup":
        raise NotOursError(f"The Checkout {session.id} takes no payment.")
    customer = customers.find(metadata=session.metadata, stripe_id=id_of(session.customer))
    if customer is None:
        raise NotOursError(f"The Checkout {session.id} belongs to no customer of this site.")
    if session.livemode != app_settings.live_mode:
        raise NotOursError(f"The Checkout {session.id} belongs to the other mode.")
    return partial(_write, session, customer, _prices(session))


def _prepare_subscription(session: stripe.checkout.Session) -> Write[Payment | None]:
    """The credits come only from the invoice, so that nothing brings them twice."""
    if invoice_id := id_of(session.invoice):
        return invoices.prepare(invoice_id)
    return partial(_mirror, subscriptions.prepare(id_of(session.subscription) or ""))


def _mirror(write: Write[Subscription]) -> None:
    write()


def _prices(session: stripe.checkout.Session) -> list[tuple[StripePrice, int]]:
    """Return the prices in the session and the quantity of each."""
    lines = session.line_items.data if session.line_items else []
    found = ((mirror.get_price(line.price.id), line.quantity) for line in lines if line.price)
    return [(price, quantity or 1) for price, quantity in found if price]


def _write(
    session: stripe.checkout.Session,
    customer: StripeCustomer,
    prices: list[tuple[StripePrice, int]],
) -> Payment:
    payment, failure = _record(session, customer, prices)
    if failure:
        raise failure
    return payment


@transaction.atomic
def _record(
    session: stripe.checkout.Session,
    customer: StripeCustomer,
    prices: list[tuple[StripePrice, int]],
) -> tuple[Payment, FulfilmentFailedError | None]:
    payment, _ = Payment.objects.get_or_create(
        checkout_session_id=session.id,
        defaults={
            "owner": customer.owner,
            "kind": Payment.Kind.ONE_TIME,
            "description": prices[0][0].product.name if prices else "",
            "price": prices[0][0] if prices else None,
            "total": session.amount_total or 0,
            "amount": session.amount_total or 0,
            "tax": session.total_details.amount_tax if session.total_details else 0,
            "currency": session.currency or "",
            "credits": _promised(session, prices),
            "livemode": session.livemode,
            "created_at": at(session.created),
        },
    )
    payment = Payment.objects.select_for_update().get(pk=payment.pk)
    bring = partial(_bring, session)
    if payment.is_paid:
        return payment, delivery.deliver(payment, bring) if payment.fulfilment_error else None
    intent = session.payment_intent
    is_paid = session.payment_status in ("paid", "no_payment_required")
    charge = None
    if isinstance(intent, stripe.PaymentIntent):
        charges.note(payment, intent, payment.amount if is_paid else 0)
        charge = intent.latest_charge
        if isinstance(charge, stripe.Charge):
            payment.receipt_url = charge.receipt_url or ""
    if is_paid:
        paid_at = charge.created if isinstance(charge, stripe.Charge) else session.created
        payment.mark_paid(at(paid_at))
        payment.receipt_details = receipt.details_of_session(session)
        returns.count(payment)
        return payment, delivery.deliver(payment, bring)
    if isinstance(intent, stripe.PaymentIntent):
        _follow_intent(payment, intent)
    return payment, None


def _promised(session: stripe.checkout.Session, prices: list[tuple[StripePrice, int]]) -> Decimal:
    """Return the credits that the buyer was shown. They apply even if the price's changed since."""
    if session.metadata and "credits" in session.metadata:
        with suppress(ValueError):
            return parse_credits(session.metadata["credits"])
    return sum((price.credits * quantity for price, quantity in prices), Decimal(0))


def _bring(session: stripe.checkout.Session, payment: Payment) -> None:
    app_settings.fulfilment.fulfil(
        owner=payment.owner,
        payment=payment,
        price=payment.price,
        amount=payment.credits,
        source=("checkout", session.id),
        period=None,
    )


def _follow_intent(payment: Payment, intent: stripe.PaymentIntent) -> None:
    """Record that an unpaid, finished Checkout waits for the bank, or that the bank refused it."""
    if isinstance(intent.payment_method, stripe.PaymentMethod):
        payment.receipt_details["method"] = payment_methods.shown(intent.payment_method)
    failed = intent.status in ("requires_payment_method", "canceled")
    was_failed = payment.status == Payment.Status.FAILED
    payment.status = Payment.Status.FAILED if failed else Payment.Status.PENDING
    payment.failure_message = failure_of(intent) if failed else ""
    payment.save()
    if failed and not was_failed:
        signals.send_after_commit(signals.payment_failed, Payment, payment=payment)
