"""What the hooks are called with; these defaults do nothing and may be called by a site's own.

All run inside the transaction that records the payment, so what they write is kept or lost with
it. They must not call the network, and must change nothing when called again with the same key.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from quickscale_stripe.models import Payment, StripePrice, Subscription


def fulfil(
    *,
    owner: Any,
    payment: Payment,
    price: StripePrice | None,
    amount: Decimal,
    source: tuple[str, str],
    period: tuple[datetime, datetime] | None,
) -> None:
    """Deliver what was paid for; ``QUICKSCALE_STRIPE_FULFIL`` names another.

    Args:
        owner: who paid.
        payment: the paid payment, locked.
        price: what was bought; ``None`` for a price that Stripe no longer has.
        amount: the credits that were promised for it, 0 or more.
        source: (kind, id), the same each time for the same money: ``("checkout", session)`` or
            ``("invoice", "<invoice>:<line>")``.
        period: begin and end of the time that was paid; ``None`` for a one-time purchase.
    """


def change_plan(
    *,
    payment: Payment,
    before: list[Payment],
    excess: Decimal,
    returned: Decimal,
    paid_share: Decimal,
) -> Decimal | None:
    """Decide on a period's credits when its plan was changed.

    ``QUICKSCALE_STRIPE_CHANGE_PLAN`` names another. Called before :func:`fulfil`, for changes that
    cost money and for those that give some back (a cheaper plan at once, in Stripe's portal).

    Args:
        payment: the payment of the change, locked; its ``credits`` are what the change brings.
        before: the paid payments that the same period had before.
        excess: above 0 when money was given back: how many credits more the period brought than
            its money is now for. They are to be taken back.
        returned: how many credits that have not begun may be taken back; those of the new
            plan replace them.
        paid_share: how much of what the new plan costs more in a whole period was paid, from 0 to
            1; less than 1 late in the period, or with a discount.

    Returns:
        how many were taken back; ``None`` for the excess.
    """
    return None


def end_subscription(*, subscription: Subscription, key: str) -> None:
    """Decide on what is left of a subscription's credits when it has ended.

    ``QUICKSCALE_STRIPE_END_SUBSCRIPTION`` names another. Called each time that the ended
    subscription, or an invoice of it, is read from Stripe, so that a late payment is covered too.

    Args:
        subscription: has ended, for whatever reason; see its ``ended_at``.
        key: the same each time: ``subscription:<id>:ended``.
    """


def revoke(*, payment: Payment, amount: Decimal, key: str, reason: str) -> None:
    """Take back of what a payment brought; ``QUICKSCALE_STRIPE_REVOKE`` names another.

    Args:
        payment: the payment, locked.
        amount: how many of its credits to take back, above 0.
        key: the same each time for the same fact, such as ``refund:re_123``.
        reason: a sentence for the history.
    """


def restore(*, payment: Payment, key: str, reason: str) -> None:
    """Give back exactly what was taken under ``key``; ``QUICKSCALE_STRIPE_RESTORE``.

    For a refund that failed and a dispute that was won.
    """


def left_over(*, payments: list[Payment]) -> Decimal | None:
    """What can still be used of the payments' credits, for the page that previews a change of plan.

    ``QUICKSCALE_STRIPE_LEFT_OVER`` names another. The page says what becomes of it by
    ``QUICKSCALE_STRIPE_PLAN_CHANGE_POLICY``; ``None`` leaves that out, as for a site with a
    ``QUICKSCALE_STRIPE_CHANGE_PLAN`` of its own.
    """
    return None


def refusal(*, owner: Any) -> str:
    """Why nothing may be sold to the owner, for people; ``QUICKSCALE_STRIPE_REFUSAL``.

    Asked before a Checkout is opened. Empty sells. By default nothing is sold for a credit account
    that is closed.
    """
    return ""


def balance(*, owner: Any) -> Decimal | None:
    """The owner's balance for the page after a purchase; ``QUICKSCALE_STRIPE_BALANCE``.

    ``None`` shows no balance.
    """
    return None
