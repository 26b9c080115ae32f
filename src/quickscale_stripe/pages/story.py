"""What happened with a payment, step by step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest

from quickscale.links import find_page_url
from quickscale_stripe.conf import app_settings
from quickscale_stripe.fulfilment import Entry
from quickscale_stripe.models import Dispute, Payment, Refund

MOST_STEPS = 50


@dataclass(frozen=True)
class Step:
    """``kind`` decides the words, and the tone of the mark; ``url`` leads to more about it.

    ``row`` is the payment, refund, dispute or entry that the step is about.
    """

    kind: str
    at: datetime
    row: Payment | Refund | Dispute | Entry
    tone: str = ""
    url: str = ""


def story_of(payment: Payment, request: HttpRequest) -> list[Step]:
    """Return the steps of a payment, oldest first."""
    steps = [*_money(payment), *_credits(payment, request)]
    # Stripe's times are whole seconds; within one, the order above is that of the events.
    return sorted(steps, key=lambda step: step.at.replace(microsecond=0))[:MOST_STEPS]


def _money(payment: Payment) -> Iterator[Step]:
    if payment.paid_at:
        yield Step("paid", payment.paid_at, payment, "success")
    else:
        failed = payment.status == Payment.Status.FAILED
        kind, tone = ("failed", "danger") if failed else ("pending", "info")
        yield Step(kind, payment.created_at, payment, tone)
        if payment.next_attempt_at:
            yield Step("next_attempt", payment.next_attempt_at, payment)
    for refund in payment.refunds.all():
        yield Step("refund", refund.created_at, refund, "info" if refund.takes_money else "danger")
    for dispute in payment.disputes.all():
        yield Step("dispute", dispute.created_at, dispute, "warning")


def _credits(payment: Payment, request: HttpRequest) -> Iterator[Step]:
    for entry in app_settings.fulfilment.entries(payment=payment):
        url = find_page_url(request, entry.url_name, **entry.url_kwargs) if entry.url_name else ""
        tone = "success" if entry.amount > 0 else ""
        yield Step("credits", entry.at, entry, tone, url)
