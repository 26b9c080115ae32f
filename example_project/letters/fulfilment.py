"""Seam: a fulfilment class that adds to the default one."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from quickscale_credits.models import CreditAccount
from quickscale_stripe.contrib.credits import CreditsFulfilment

BONUS_FROM = Decimal(100)
BONUS = Decimal(10)


class LettersFulfilment(CreditsFulfilment):
    def fulfil(self, *, owner: Any, amount: Decimal, source: tuple[str, str], **facts: Any) -> None:
        """Grant what was bought, and a bonus for large purchases."""
        super().fulfil(owner=owner, amount=amount, source=source, **facts)
        if amount >= BONUS_FROM:
            CreditAccount.objects.for_owner(owner).add_credits(
                BONUS,
                "Thank you for a large order",
                credit_type="bonus",
                source=("bonus", source[1]),
            )
