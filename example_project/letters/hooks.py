"""Seam: a hook that wraps the default one."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from quickscale_credits.models import CreditAccount
from quickscale_stripe.contrib import credits as bridge
from quickscale_stripe.models import Payment, StripePrice

BONUS_FROM = Decimal(100)
BONUS = Decimal(10)


def fulfil(
    *,
    owner: Any,
    payment: Payment,
    price: StripePrice | None,
    credits: Decimal,  # noqa: A002  the hook's own name for it
    source: tuple[str, str],
    expires_at: datetime | None,
) -> None:
    """What was bought, and a bonus on top of large purchases."""
    bridge.fulfil(
        owner=owner,
        payment=payment,
        price=price,
        credits=credits,
        source=source,
        expires_at=expires_at,
    )
    if credits >= BONUS_FROM:
        CreditAccount.objects.for_owner(owner).add_credits(
            BONUS, "Thank you for a large order", credit_type="bonus", source=("bonus", source[1])
        )
