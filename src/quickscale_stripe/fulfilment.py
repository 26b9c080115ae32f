"""What payments bring, and what refunds take: the class that a site subclasses.

``QUICKSCALE_STRIPE_FULFILMENT`` names the class. Where ``quickscale_credits`` is installed it is
:class:`quickscale_stripe.contrib.credits.CreditsFulfilment`, else :class:`Fulfilment`.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quickscale_stripe.models import Payment, StripePrice, Subscription


class Fulfilment:
    """Brings nothing; the base of all others.

    Methods that write run inside the transaction that records the payment, so what they write is
    kept or lost with it. They must not call the network, and must change nothing when they are
    called again with the same key. An instance is made for each call.
    """

    def fulfil(
        self,
        *,
        owner: Any,
        payment: Payment,
        price: StripePrice | None,
        amount: Decimal,
        source: tuple[str, str],
        period: tuple[datetime, datetime] | None,
    ) -> None:
        """Deliver what was paid for.

        Args:
            owner: who paid.
            payment: the paid payment, locked.
            price: what was bought; ``None`` for a price that Stripe no longer has.
            amount: the credits that were promised for it, 0 or more.
            source: (kind, id), the same each time for the same money: ``("checkout", session)`` or
                ``("invoice", "<invoice>:<line>")``.
            period: start and end of the time that was paid; ``None`` for a one-time purchase.
        """

    def change_plan(
        self,
        *,
        payment: Payment,
        before: list[Payment],
        excess: Decimal,
        returned: Decimal,
        paid_share: Decimal,
    ) -> Decimal | None:
        """Decide on a period's credits when its plan was changed.

        Called before :meth:`fulfil`, for changes that cost money and for those that give some back
        (a cheaper plan at once, in Stripe's portal).

        Args:
            payment: the payment of the change, locked; its ``credits`` are what the change brings.
            before: the paid payments that the same period had before.
            excess: above 0 when money was given back: how many credits more the period brought
                than its money is now for. They are to be taken back.
            returned: how many may be taken back at most of credits that have not begun; the new
                plan's come in their place.
            paid_share: how much of what the new plan costs more in a whole period was paid, from 0
                to 1; less than 1 late in the period, or with a discount.

        Returns:
            how many were taken back; ``None`` for the excess.
        """
        return None

    def left_over(self, *, payments: list[Payment]) -> Decimal | None:
        """What can still be used of the payments' credits, for the preview of a change of plan.

        The page says what becomes of it by ``QUICKSCALE_STRIPE_PLAN_CHANGE_POLICY``. ``None``
        leaves that out: return it from a class whose :meth:`change_plan` follows no such policy.
        """
        return None

    def end_subscription(self, *, subscription: Subscription, key: str) -> None:
        """Decide on what is left of a subscription's credits when it has ended.

        Called each time that the ended subscription, or an invoice of it, is read from Stripe, so
        that a late payment is covered too.

        Args:
            subscription: has ended, for whatever reason; see its ``ended_at``.
            key: the same each time: ``subscription:<id>:ended``.
        """

    def revoke(self, *, payment: Payment, amount: Decimal, key: str, reason: str) -> None:
        """Take back what a payment brought, for a refund or a dispute.

        Args:
            payment: the payment, locked.
            amount: how many of its credits to take back, above 0.
            key: the same each time for the same fact, such as ``refund:re_123``.
            reason: a sentence for the history.
        """

    def restore(self, *, payment: Payment, key: str, reason: str) -> None:
        """Give back exactly what was taken under ``key``.

        For a refund that failed and a dispute that was won.
        """

    def refusal(self, *, owner: Any) -> str:
        """Why nothing may be sold to the owner, in words for people; empty to sell.

        Asked before a Checkout is opened.
        """
        return ""

    def balance(self, *, owner: Any) -> Decimal | None:
        """The owner's balance for the page after a purchase; ``None`` shows no balance."""
        return None
