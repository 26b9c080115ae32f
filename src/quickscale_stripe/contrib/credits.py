"""The bridge to ``quickscale_credits``: money in, credits in; money back, credits back."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _

from quickscale_credits import ledger
from quickscale_credits.models import CreditAccount
from quickscale_stripe.models import Payment, StripePrice


def fulfil(
    *,
    owner: Any,
    payment: Payment,
    price: StripePrice | None,
    amount: Decimal,
    source: tuple[str, str],
    expires_at: datetime | None,
) -> None:
    """Add the credits: pay-as-you-go without an end, else a subscription's until that end.

    See :func:`quickscale_stripe.hooks.fulfil`. The lot's source makes a second call change
    nothing.
    """
    if not amount:
        return
    ledger.add_credits(
        account=CreditAccount.objects.for_owner(owner),
        amount=amount,
        description=payment.description or _("Purchase"),
        credit_type="payg" if expires_at is None else "subscription",
        expires_at=expires_at,
        source=source,
        cost=(payment.amount, payment.currency),
        metadata={"receipt": payment.receipt_number},
    )


def balance(*, owner: Any) -> Decimal | None:
    """The credits that the owner can use now."""
    available: Decimal = CreditAccount.objects.for_owner(owner).get_available_balance()
    return available
