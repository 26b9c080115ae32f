"""From a Checkout session to what was bought; the one road of webhook, page and commands."""

from __future__ import annotations

from decimal import Decimal

import stripe
from django.db import transaction
from django.utils import timezone

from quickscale_stripe import (
    catalogue,
    customers,
    invoices,
    payment_methods,
    receipts,
    signals,
    subscriptions,
)
from quickscale_stripe.client import get_client
from quickscale_stripe.conf import app_settings
from quickscale_stripe.exceptions import stripe_errors
from quickscale_stripe.models import Payment, StripeCustomer, StripePrice
from quickscale_stripe.stripe_objects import at, failure_of, id_of


def fulfil(session_id: str) -> Payment | None:
    """Record a finished Checkout, and deliver what it bought once it is paid.

    A subscription is linked and mirrored, and its first invoice recorded as its payment. A payment
    method that was saved without paying is what is charged from now on.

    Safe to call any number of times, at once and in any order: Stripe's current state decides,
    the payment's row is locked, and the delivery has the session as its source.

    Args:
        session_id: ``cs_...``.

    Returns:
        The payment, pending, paid or failed; ``None`` when the session isn't finished, takes no
        payment or isn't this site's.

    Raises:
        StripeUnavailableError, StripeRefusedError: also for an unknown session.
    """
    with stripe_errors():
        session = get_client().v1.checkout.sessions.retrieve(
            session_id, {"expand": ["line_items", "payment_intent.latest_charge"]}
        )
    if session.status != "complete":
        return None
    if session.mode == "subscription":
        return _fulfil_subscription(session)
    if session.mode == "setup":
        payment_methods.save_of_session(session)
    if session.mode != "payment":
        return None
    customer = customers.find(metadata=session.metadata, stripe_id=id_of(session.customer))
    if customer is None or session.livemode != app_settings.live_mode:
        return None
    prices = _prices(session)
    with transaction.atomic():
        return _record(session, customer, prices)


def _fulfil_subscription(session: stripe.checkout.Session) -> Payment | None:
    """The credits come from the invoice alone, so that no two facts bring the same ones."""
    subscriptions.sync(id_of(session.subscription) or "")
    invoice_id = id_of(session.invoice)
    return invoices.sync(invoice_id) if invoice_id else None


def _prices(session: stripe.checkout.Session) -> list[tuple[StripePrice, int]]:
    """What is in the session and how many of each."""
    lines = session.line_items.data if session.line_items else []
    found = ((catalogue.get_price(line.price.id), line.quantity) for line in lines if line.price)
    return [(price, quantity or 1) for price, quantity in found if price]


def _record(
    session: stripe.checkout.Session,
    customer: StripeCustomer,
    prices: list[tuple[StripePrice, int]],
) -> Payment:
    payment, _ = Payment.objects.get_or_create(
        checkout_session_id=session.id,
        defaults={
            "owner": customer.owner,
            "kind": Payment.Kind.ONE_TIME,
            "description": prices[0][0].product.name if prices else "",
            "price": prices[0][0] if prices else None,
            "amount": session.amount_total or 0,
            "tax": session.total_details.amount_tax if session.total_details else 0,
            "currency": session.currency or "",
            "credits": _promised(session, prices),
            "livemode": session.livemode,
            "created_at": at(session.created),
        },
    )
    payment = Payment.objects.select_for_update().get(pk=payment.pk)
    if payment.is_paid:
        return payment
    intent = session.payment_intent
    charge = None
    if isinstance(intent, stripe.PaymentIntent):
        charge = intent.latest_charge
        payment.payment_intent_id = intent.id
        if isinstance(charge, stripe.Charge):
            payment.charge_id = charge.id
            payment.receipt_url = charge.receipt_url or ""
    if session.payment_status in ("paid", "no_payment_required"):
        paid_at = charge.created if isinstance(charge, stripe.Charge) else session.created
        payment.mark_paid(at(paid_at))
        payment.receipt_details = receipts.details_of_session(session)
        payment.save()
        _deliver(payment)
    elif isinstance(intent, stripe.PaymentIntent):
        _follow_intent(payment, intent)
    return payment


def _promised(session: stripe.checkout.Session, prices: list[tuple[StripePrice, int]]) -> Decimal:
    """The credits that the buyer was shown, which count even when the price's changed since."""
    if session.metadata and "credits" in session.metadata:
        return catalogue.parse_credits(session.metadata["credits"])
    return sum((price.credits * quantity for price, quantity in prices), Decimal(0))


def _deliver(payment: Payment) -> None:
    app_settings.fulfil(
        owner=payment.owner,
        payment=payment,
        price=payment.price,
        amount=payment.credits,
        source=("checkout", payment.checkout_session_id),
        period=None,
    )
    payment.fulfilled_at = timezone.now()
    payment.save()
    signals.send_after_commit(signals.payment_succeeded, Payment, payment=payment)


def _follow_intent(payment: Payment, intent: stripe.PaymentIntent) -> None:
    """A finished Checkout that isn't paid waits for its bank, or was refused by it."""
    failed = intent.status in ("requires_payment_method", "canceled")
    was_failed = payment.status == Payment.Status.FAILED
    payment.status = Payment.Status.FAILED if failed else Payment.Status.PENDING
    payment.failure_message = failure_of(intent) if failed else ""
    payment.save()
    if failed and not was_failed:
        signals.send_after_commit(signals.payment_failed, Payment, payment=payment)
