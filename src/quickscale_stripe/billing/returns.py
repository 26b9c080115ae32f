"""What refunds and disputes mean for a payment: its sums, its status, and its credits.

Each claims its share of the payment's credits once, and returns exactly what it took once. The
current rows decide everything, so this may run late, twice, or for several at once.
"""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal

from django.utils.translation import gettext as _

from quickscale.formats import format_money
from quickscale_stripe import signals
from quickscale_stripe.conf import app_settings
from quickscale_stripe.models import Dispute, Payment, Refund


def count(payment: Payment) -> None:
    """Set the sums and the status of a locked payment by its refunds and disputes, and save it."""
    before = payment.amount_refunded
    refunded, disputed = (
        sum(row.amount for row in rows if row.takes_money)
        for rows in (payment.refunds.all(), payment.disputes.all())
    )
    payment.amount_refunded = min(payment.amount, refunded)
    payment.amount_disputed = min(payment.amount - payment.amount_refunded, disputed)
    payment.set_status()
    payment.save()
    if payment.amount_refunded != before:
        signals.send_after_commit(signals.payment_refunded, Payment, payment=payment)


def claim(payment: Payment) -> None:
    """Adjust the credits of a locked, fulfilled payment to its refunds and disputes."""
    rows = _rows(payment)
    for row in rows:
        if row.credits_revoked and not row.takes_money:
            app_settings.fulfilment.restore(
                payment=payment, key=row.key, reason=_restored(payment, row)
            )
            row.credits_revoked = Decimal(0)
            row.save()
    taking = [row for row in rows if row.takes_money]
    money = sum(row.amount for row in taking if row.credits_revoked)
    claimed = sum((row.credits_revoked for row in taking), Decimal(0))
    for row in taking:
        if not row.credits_revoked:
            money += row.amount
            claimed += _claim(payment, row, _share(payment, money) - claimed)


def _claim(payment: Payment, row: Refund | Dispute, amount: Decimal) -> Decimal:
    if amount <= 0:
        return Decimal(0)
    row.credits_revoked = amount
    if isinstance(row, Dispute):
        row.withdrawals += 1
    app_settings.fulfilment.revoke(
        payment=payment, amount=amount, key=row.key, reason=_taken(payment, row)
    )
    row.save()
    return amount


def credits_for(*, payment: Payment, amount: int) -> Decimal:
    """Return the credits that a refund of ``amount`` minor units would take back now."""
    taking = [row for row in _rows(payment) if row.takes_money]
    money = sum(row.amount for row in taking) + amount
    claimed = sum((row.credits_revoked for row in taking), Decimal(0))
    return max(Decimal(0), _share(payment, money) - claimed)


def _rows(payment: Payment) -> list[Refund | Dispute]:
    rows: list[Refund | Dispute] = [*payment.refunds.all(), *payment.disputes.all()]
    return sorted(rows, key=lambda row: (row.created_at, row.stripe_id))


def _share(payment: Payment, money: int) -> Decimal:
    """Return the credits for this part of the payment's money; all credits for all of it."""
    if money >= payment.amount:
        return payment.credits
    share = payment.credits * money / payment.amount
    return share.quantize(Decimal("0.0001"), ROUND_DOWN)


def _taken(payment: Payment, row: Refund | Dispute) -> str:
    text = (
        _("Dispute of %(title)s, %(amount)s")
        if isinstance(row, Dispute)
        else _("Refund of %(title)s, %(amount)s")
    )
    return text % _names(payment, row)


def _restored(payment: Payment, row: Refund | Dispute) -> str:
    text = (
        _("Dispute of %(title)s won, %(amount)s")
        if isinstance(row, Dispute)
        else _("Refund of %(title)s failed, %(amount)s")
    )
    return text % _names(payment, row)


def _names(payment: Payment, row: Refund | Dispute) -> dict[str, str]:
    return {"title": payment.title, "amount": format_money(row.amount, row.currency)}
