"""What payments deliver and refunds take back: the class that a site subclasses.

``QUICKSCALE_STRIPE_FULFILMENT`` names the class. Where ``quickscale_credits`` is installed it is
:class:`quickscale_stripe.contrib.credits.CreditsFulfilment`, else :class:`Fulfilment`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quickscale_stripe.models import Payment, StripePrice, Subscription


@dataclass(frozen=True)
class PlanCredits:
    """The credits of a plan that can be used now: how many there were, and how many are left."""

    brought: Decimal
    left: Decimal


@dataclass(frozen=True)
class Entry:
    """A line of a payment's story: credits that came, or that went again (below 0).

    ``url_name`` and ``url_kwargs`` name the page of the line; without a page they are empty.
    """

    at: datetime
    amount: Decimal
    description: str
    url_name: str = ""
    url_kwargs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def taken(self) -> Decimal:
        """How many credits went, above 0 if any did."""
        return -self.amount


class Fulfilment:
    """The base class, which delivers nothing.

    Methods that write run inside the transaction that records the payment. When one raises, what
    they wrote is rolled back, the payment is recorded with the error, and they are called again
    later. They must not use the network, and must change nothing when they are called again with
    the same ``source`` or ``key``. Each call gets a new instance.
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
            owner: the owner who paid.
            payment: the paid payment, locked.
            price: the price that was bought; ``None`` if Stripe no longer has it.
            amount: the credits that the price promised, 0 or more.
            source: (kind, id), always the same for the same money: ``("checkout", session)`` or
                ``("invoice", "<invoice>:<line>")``.
            period: start and end of the time that was paid for; ``None`` for a one-time purchase.
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
        """Decide what happens to a period's credits when its plan is changed.

        Called before :meth:`fulfil`, for changes that cost money and for those that return some,
        such as an immediate change to a cheaper plan in Stripe's portal.

        Args:
            payment: the payment for the change, locked; its ``credits`` are those that the change
                brings.
            before: the earlier paid payments for the same period.
            excess: the credits to take back because money was returned: the period brought this
                many more than the rest of its money paid for. Otherwise 0.
            returned: the most credits that may be taken back from those that have not begun; the
                new plan's replace them.
            paid_share: the share that was paid of what the new plan costs more in a whole period,
                from 0 to 1; less than 1 late in the period, or with a discount.

        Returns:
            how many credits were taken back; ``None`` means ``excess``.
        """
        return None

    def left_over(self, *, payments: list[Payment]) -> Decimal | None:
        """Return how many of the payments' credits can still be used, for a plan change's preview.

        The page says what ``QUICKSCALE_STRIPE_PLAN_CHANGE_POLICY`` will do with them. Return
        ``None`` to leave that out, if :meth:`change_plan` does not follow the policy.
        """
        return None

    def end_subscription(self, *, subscription: Subscription, key: str) -> None:
        """Decide what happens to a subscription's remaining credits when it has ended.

        Called each time that the ended subscription, or one of its invoices, is read from Stripe,
        so a late payment is covered too.

        Args:
            subscription: the subscription, which ended at its ``ended_at`` for whatever reason.
            key: always ``subscription:<id>:ended``.
        """

    def revoke(self, *, payment: Payment, amount: Decimal, key: str, reason: str) -> None:
        """Take back what a payment delivered, for a refund or a dispute.

        Args:
            payment: the payment, locked.
            amount: how many of its credits to take back, above 0.
            key: always the same for the same refund or dispute, such as ``refund:re_123``.
            reason: a sentence for the history.
        """

    def restore(self, *, payment: Payment, key: str, reason: str) -> None:
        """Give back exactly what was taken under ``key``.

        For a refund that failed and a dispute that was won.
        """

    def refusal(self, *, owner: Any) -> str:
        """Return why the owner may not buy, in words for people; empty if they may.

        Called before a Checkout is opened.
        """
        return ""

    def balance(self, *, owner: Any) -> Decimal | None:
        """Return the balance for the page after a purchase; ``None`` shows no balance."""
        return None

    def next_credits(self, *, owner: Any) -> tuple[Decimal, datetime] | None:
        """Return the credits that come next without another payment, and when.

        They are the next part of a plan that is paid for longer than its credits last.
        """
        return None

    def next_step(self, *, owner: Any, payment: Payment) -> tuple[str, str] | None:
        """Return the label and the URL name of the page to go on to after a purchase."""
        return None

    def plan_credits(self, *, subscription: Subscription) -> PlanCredits | None:
        """Return a subscription's credits for its pages; ``None`` shows none."""
        return None

    def entries(self, *, payment: Payment) -> list[Entry]:
        """Return what a payment brought and what was taken back, for its page."""
        return []
