"""The money that moved for a payment, by payment intent."""

from __future__ import annotations

import stripe
from django.db.models import Q

from quickscale_stripe.internal.sdk import id_of
from quickscale_stripe.models import Charge, Dispute, Payment, Refund


def note(payment: Payment, intent: stripe.PaymentIntent, amount: int) -> None:
    """Record that an intent pays for a locked payment, or tries to.

    Args:
        amount: how much of this payment it has paid, in minor units.
    """
    Charge.objects.update_or_create(
        payment=payment,
        payment_intent_id=intent.id,
        defaults={"charge_id": id_of(intent.latest_charge) or "", "amount": amount},
    )


def find(intent_id: str | None, charge_id: str | None) -> Charge | None:
    """Return the charge with either of these ids, together with its payment."""
    where = Q()
    if intent_id:
        where |= Q(payment_intent_id=intent_id)
    if charge_id:
        where |= Q(charge_id=charge_id)
    return Charge.objects.filter(where).select_related("payment").first() if where else None


def refundable(payment: Payment) -> list[tuple[Charge, int]]:
    """Return the charges that can be refunded, each with the amount left in minor units."""
    rows: list[Refund | Dispute] = [*payment.refunds.all(), *payment.disputes.all()]
    gone = [row for row in rows if row.takes_money]
    found = [
        (
            charge,
            charge.amount - sum(row.amount for row in gone if row.charge_id == charge.charge_id),
        )
        for charge in payment.charges.order_by("pk")
    ]
    return [(charge, left) for charge, left in found if left > 0]
