"""Sample data for every mail, so that a template can be seen without making it happen."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.core.mail import EmailMultiAlternatives
from django.http import HttpRequest
from django.utils import timezone

from quickscale.owner import get_owner_model
from quickscale_stripe.catalogue import metadata
from quickscale_stripe.conf import MAILS
from quickscale_stripe.internal import mail_facts, mails
from quickscale_stripe.models import (
    Dispute,
    Payment,
    Refund,
    StripeEvent,
    StripePrice,
    StripeProduct,
    Subscription,
)

NAMES = [f"{mails.PREFIX}{name}" for name in MAILS]


def render_sample(request: HttpRequest, name: str) -> EmailMultiAlternatives:
    short = name.removeprefix(mails.PREFIX)
    return mails.make(short, ["ann@example.com"], sample_context(short))


def sample_context(name: str) -> dict[str, Any]:
    """Return the context of a mail. Nothing is saved."""
    now = timezone.now()
    owner: Any = get_owner_model()()
    for field in ("email", "name"):
        if hasattr(owner, field):
            setattr(owner, field, "ann@example.com")
    product = StripeProduct(stripe_id="prod_sample", name="Pro plan", synced_at=now)
    price = StripePrice(
        stripe_id="price_sample",
        product=product,
        currency="usd",
        unit_amount=4900,
        interval="month",
        credits=Decimal(1000),
        for_sale=True,
        metadata_errors={"credits": "1,000"},
    )
    cheaper = StripePrice(
        stripe_id="price_cheaper",
        product=StripeProduct(stripe_id="prod_cheaper", name="Basic plan", synced_at=now),
        currency="usd",
        unit_amount=1900,
        interval="month",
        credits=Decimal(300),
    )
    payment = Payment(
        pk=1,
        owner=owner,
        kind=Payment.Kind.SUBSCRIPTION,
        price=price,
        description="Pro plan",
        total=4900,
        amount=3000,
        receipt_details={"balance": 1900},
        currency="usd",
        credits=Decimal(1000),
        receipt_number="R2026-00000001",
        invoice_url="https://invoice.stripe.com/i/sample",
        failure_message="Your card was declined.",
        fulfilment_error="ValueError: x",
        created_at=now,
        paid_at=now,
    )
    match name:
        case "purchase":
            return mail_facts.about_purchase(payment)
        case "payment_failed":
            return mail_facts.about_failure(payment)
        case "payment_refunded":
            return mail_facts.about_refund(_refund(payment, Decimal(500)), Decimal(740))
        case "refund_failed":
            return mail_facts.about_refund(_refund(payment, Decimal(0)), Decimal(1240))
        case "cancellation_scheduled":
            return mail_facts.about_cancellation(_subscription(price, cancel_at=_later(now)))
        case "cancellation_withdrawn":
            return mail_facts.about_return(_subscription(price))
        case "plan_change_scheduled":
            changing = _subscription(price, pending_price=cheaper, pending_at=_later(now))
            return mail_facts.about_plan_change(changing)
        case "subscription_ended":
            ended = _subscription(price, ended_at=now, end_reason="payment_failed")
            return mail_facts.about_end(ended, Decimal(740))
    return {
        "owner": owner,
        "payment": payment,
        "refund": _refund(payment, Decimal(0)),
        "price": price,
        "problems": metadata.problems(price.metadata_errors),
        "dispute": Dispute(
            stripe_id="du_sample",
            payment=payment,
            amount=4900,
            currency="usd",
            status="needs_response",
            reason="fraudulent",
            evidence_due_by=now + timedelta(days=7),
        ),
        "invoice_id": "in_sample",
        "problem": "finalization_failed",
        "event": StripeEvent(
            stripe_id="evt_sample", type="invoice.paid", attempts=8, error="ValueError: x"
        ),
    }


def _refund(payment: Payment, credits_revoked: Decimal) -> Refund:
    return Refund(
        stripe_id="re_sample",
        payment=payment,
        amount=1500,
        currency="usd",
        credits_revoked=credits_revoked,
        failure_reason="lost_or_stolen_card",
    )


def _subscription(price: StripePrice, **fields: Any) -> Subscription:
    now = timezone.now()
    return Subscription(
        stripe_id="sub_sample", price=price, current_period_end=_later(now), **fields
    )


def _later(now: datetime) -> datetime:
    return now + timedelta(days=28)
