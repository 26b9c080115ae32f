"""What a buyer does, for the tests."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from quickscale_stripe import checkout
from quickscale_stripe.models import StripePrice


def open_checkout(owner: Any, price: StripePrice, reference: str = "first") -> str:
    """The id of a Checkout session, not yet paid."""
    session = checkout.buy(
        owner=owner,
        price=price,
        success_url="http://testserver/done/?session_id={CHECKOUT_SESSION_ID}",
        cancel_url="http://testserver/cancelled/",
        reference=reference,
    )
    return session.id


def open_signup(owner: Any, price: StripePrice, reference: str = "first") -> str:
    """The id of a Checkout session for a plan, not yet paid."""
    return checkout.subscribe(
        owner=owner,
        price=price,
        success_url="http://testserver/done/?session_id={CHECKOUT_SESSION_ID}",
        cancel_url="http://testserver/cancelled/",
        reference=reference,
    ).id


def balance(owner: Any) -> Decimal:
    from quickscale_credits.models import CreditAccount  # Not every site has it.

    return CreditAccount.objects.for_owner(owner).get_balance()
