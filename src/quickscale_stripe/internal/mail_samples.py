"""Sample data for every mail, so that a template can be seen without making it happen."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.core.mail import EmailMultiAlternatives
from django.http import HttpRequest
from django.utils import timezone

from quickscale.mail import make_mail
from quickscale.owner import get_owner_model
from quickscale_stripe.catalogue import metadata
from quickscale_stripe.conf import MAILS
from quickscale_stripe.internal import mails
from quickscale_stripe.models import Dispute, Payment, StripeEvent, StripePrice, StripeProduct
from quickscale_stripe.receipts import receipt

NAMES = [f"{mails.PREFIX}{name}" for name in MAILS]


def render_sample(request: HttpRequest, name: str) -> EmailMultiAlternatives:
    return make_mail(name, ["ann@example.com"], sample_context())


def sample_context() -> dict[str, Any]:
    """Return the context of all mails in one. Nothing is saved."""
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
    payment = Payment(
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
    return {
        "owner": owner,
        "payment": payment,
        "settled": receipt.settled(payment),
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
