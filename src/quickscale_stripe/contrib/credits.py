"""The bridge to ``quickscale_credits``: money in, credits in; money back, credits back."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from quickscale_credits import allotments, ledger
from quickscale_credits.models import CreditAccount, CreditLot, CreditTransaction
from quickscale_stripe.conf import app_settings
from quickscale_stripe.models import Payment, StripePrice


def fulfil(
    *,
    owner: Any,
    payment: Payment,
    price: StripePrice | None,
    amount: Decimal,
    source: tuple[str, str],
    period: tuple[datetime, datetime] | None,
) -> None:
    """Add the credits: pay-as-you-go for a purchase, a subscription's for a period.

    See :func:`quickscale_stripe.hooks.fulfil`. The lot's source makes a second call change
    nothing. A price whose credits come monthly has them shared out over its period's months.
    """
    if not amount:
        return
    if period and price and price.credits_come_monthly:
        allotments.spread_credits(
            account=CreditAccount.objects.for_owner(owner),
            amount=amount,
            description=payment.description or _("Purchase"),
            anchor=period[0],
            until=period[1],
            source=source,
            cost=(payment.amount, payment.currency),
            metadata={"receipt": payment.receipt_number},
        )
        return
    # An event that comes after the period's end still leaves its trace: added, and ended.
    begins = min(period[0], timezone.now()) if period else None
    ledger.add_credits(
        account=CreditAccount.objects.for_owner(owner),
        amount=amount,
        description=payment.description or _("Purchase"),
        credit_type="subscription" if period else "payg",
        effective_at=begins,
        expires_at=period[1] if period else None,
        period=period,
        source=source,
        cost=(payment.amount, payment.currency),
        metadata={"receipt": payment.receipt_number},
    )


def change_plan(*, payment: Payment, before: list[Payment], worth: Decimal) -> None:
    """Apply ``QUICKSCALE_STRIPE_PLAN_CHANGE_POLICY`` to the period's lots when it brings more.

    Only lots that money was paid for, and each once: a cycle of plans can't turn the same credits
    into permanent ones twice. Permanent ones whose money is given back by a later change are taken
    back, as by a refund.
    """
    if payment.amount and payment.credits:
        _follow_policy(payment, before)
    _take_back(payment, before, worth)


def _follow_policy(payment: Payment, before: list[Payment]) -> None:
    """Months that have not begun stay: the new plan's credits are what it brings on top of them."""
    policy = app_settings.plan_change_policy
    if policy == "keep":
        return
    now, cap = timezone.now(), app_settings.plan_change_cap
    kept = _("Kept at the change of plan")
    ends = payment.subscription.current_period_end if payment.subscription else None
    for earlier in before:
        lots = _lots(earlier).filter(remaining__gt=0, effective_at__lte=now, expires_at__gt=now)
        for lot in lots:
            if policy == "convert":
                ledger.convert(lot=lot, description=kept, cap=cap)
            elif policy == "rollover":
                lot_ends = lot.expires_at or now
                ledger.roll_over(
                    lot=lot, expires_at=max(lot_ends, ends or lot_ends), description=kept, cap=cap
                )
            else:
                ledger.revoke(
                    lot=lot,
                    amount=lot.remaining,
                    reason=_("Change of plan"),
                    policy="write_off",
                    idempotency_key=f"plan_change:{payment.invoice_id}:{lot.pk}",
                )


def _take_back(payment: Payment, before: list[Payment], worth: Decimal) -> None:
    sources = [lot for earlier in before for lot in _lots(earlier)]
    made = CreditLot.objects.filter(parent__in=sources, credit_type=CreditLot.CreditType.PAYG)
    kept = {lot: lot.amount - lot.gone - lot.revoked_due for lot in made.order_by("-pk")}
    excess = sum(kept.values(), Decimal(0)) - worth
    for lot, amount in kept.items():
        part = min(excess, amount)
        if part > 0:
            ledger.revoke(
                lot=lot,
                amount=part,
                reason=_("Change of plan"),
                idempotency_key=f"plan_change:{payment.invoice_id}:{lot.pk}",
            )
        excess -= part


def revoke(*, payment: Payment, amount: Decimal, key: str, reason: str) -> None:
    """Take credits back from the lots of the payment, the newest first.

    What was spent already is a shortfall, for ``QUICKSCALE_CREDITS_SHORTFALL_POLICY``.
    """
    for number, lot in enumerate(_lots(payment).order_by("-pk")):
        part = min(amount, lot.amount)
        if part > 0:
            ledger.revoke(
                lot=lot, amount=part, reason=reason, idempotency_key=_numbered(key, number)
            )
        amount -= part


def restore(*, payment: Payment, key: str, reason: str) -> None:
    """Give back exactly the credits that were taken under ``key``."""
    taken = CreditTransaction.objects.filter(
        Q(idempotency_key=key) | Q(idempotency_key__startswith=f"{key}:part-"),
        account__owner=payment.owner_id,
        kind=CreditTransaction.Kind.REVOKE,
    )
    for transaction in taken.exclude(amount=0):
        ledger.reverse(
            transaction=transaction,
            reason=reason,
            idempotency_key=f"{transaction.idempotency_key}:returned",
        )


def balance(*, owner: Any) -> Decimal | None:
    """The credits that the owner can use now."""
    return CreditAccount.objects.for_owner(owner).get_available_balance()


def _lots(payment: Payment) -> QuerySet[CreditLot]:
    lots = CreditLot.objects.filter(account__owner=payment.owner_id)
    if payment.invoice_id:
        return lots.filter(source_type="invoice", source_id__startswith=f"{payment.invoice_id}:")
    return lots.filter(source_type="checkout", source_id=payment.checkout_session_id)


def _numbered(key: str, number: int) -> str:
    return f"{key}:part-{number}" if number else key
