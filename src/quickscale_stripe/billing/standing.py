"""How an owner stands with the site: the plan, what is due, and what is charged next.

It is read from the site's own copies, without asking Stripe.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any

from django.db.models import Q
from django.utils import timezone

from quickscale_stripe.conf import app_settings
from quickscale_stripe.models import Payment, StripeCustomer, StripePrice, Subscription

#: Statuses in which the next thing to do is to pay.
OVERDUE = (Subscription.Status.PAST_DUE, Subscription.Status.UNPAID)
UNPAID = (*OVERDUE, Subscription.Status.INCOMPLETE)
_RENEWING = (
    Subscription.Status.ACTIVE,
    Subscription.Status.TRIALING,
    Subscription.Status.PAST_DUE,
)
# docs.stripe.com/billing/subscriptions/pending-updates: then Stripe drops an unpaid plan change.
_CHANGE_WAITS = timedelta(hours=23)
_SOON = timedelta(days=45)


@dataclass(frozen=True)
class Card:
    """What the next invoice is charged to, a card or another payment method.

    ``method`` is as in ``StripeCustomer.payment_method``; ``ends`` is a card's last day.
    """

    method: dict[str, Any]

    @property
    def ends(self) -> date | None:
        if "expires" not in self.method:
            return None
        year, month = self.method["expires"]
        return date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)

    @property
    def is_over(self) -> bool:
        return self.ends is not None and self.ends < timezone.localdate()

    @property
    def ends_soon(self) -> bool:
        return self.ends is not None and self.ends < timezone.localdate() + _SOON


@dataclass(frozen=True)
class Period:
    """How far a plan's period is: today is its ``day``, from 1 on, of ``days``."""

    day: int
    days: int


@dataclass(frozen=True)
class Standing:
    """An owner's plan and payments.

    ``subscription`` is the newest one that has not ended, else the last one that did. ``due`` is
    its payment that Stripe waits for. ``pending`` is the newest payment that is being confirmed.
    """

    owner: Any
    subscription: Subscription | None
    due: Payment | None
    pending: Payment | None

    @cached_property
    def customer(self) -> StripeCustomer | None:
        """The owner's customer of the site's mode, which a subscription brings along."""
        if self.subscription:
            found = getattr(self.subscription.owner, "stripe_customer", None)
        else:
            found = StripeCustomer.objects.for_owner(self.owner).first()
        return found if found and found.livemode == app_settings.live_mode else None

    @property
    def card(self) -> Card | None:
        method = self.customer.payment_method if self.customer else {}
        return Card(method) if method else None

    @property
    def plan(self) -> Subscription | None:
        """The subscription, unless it has ended."""
        return self.subscription if self.subscription and self.subscription.is_live else None

    @property
    def period(self) -> Period | None:
        """The plan's current period; ``None`` if there is none now."""
        plan, now = self.plan, timezone.now()
        if plan is None or plan.current_period_start is None or plan.current_period_end is None:
            return None
        if not plan.current_period_start <= now < plan.current_period_end:
            return None
        begins = timezone.localtime(plan.current_period_start).date()
        ends = timezone.localtime(plan.current_period_end).date()
        days = max((ends - begins).days, 1)
        return Period(day=min((timezone.localdate() - begins).days + 1, days), days=days)

    @property
    def renews_at(self) -> datetime | None:
        """When the plan is charged next; ``None`` if it is not, or waits for a payment."""
        plan = self.plan
        if plan is None or plan.cancel_at or plan.status not in _RENEWING:
            return None
        return plan.current_period_end

    @property
    def next_price(self) -> StripePrice | None:
        """The price from the next period on."""
        return (self.plan.pending_price or self.plan.price) if self.plan else None

    @property
    def next_amount(self) -> int | None:
        """What the plan costs in the next period, in minor units, without tax and discounts."""
        price = self.next_price
        if self.plan is None or price is None or price.unit_amount is None:
            return None
        return price.unit_amount * self.plan.quantity

    @property
    def card_ends_first(self) -> bool:
        """Whether the card expires before the plan's next charge."""
        ends = self.card.ends if self.card else None
        return bool(ends and self.renews_at and ends < timezone.localtime(self.renews_at).date())


def standing_of(owner: Any) -> Standing:
    """Read an owner's standing, with two queries, and a third for the customer of no plan."""
    subscription = _current_subscription(owner)
    is_pending, is_due = Q(status=Payment.Status.PENDING), _due(subscription)
    payments = Payment.objects.for_owner(owner).annotate(is_due=is_due)
    waiting: list[Any] = list(payments.filter(is_pending | is_due))
    return Standing(
        owner=owner,
        subscription=subscription,
        due=next((each for each in waiting if each.is_due), None),
        pending=next((each for each in waiting if each.status == Payment.Status.PENDING), None),
    )


def _current_subscription(owner: Any) -> Subscription | None:
    """Return the newest subscription that has not ended, else the last one that did."""
    owned = Subscription.objects.for_owner(owner).with_plans()
    by_end = owned.alias(has_ended=Q(status__in=Subscription.ENDED)).order_by(
        "has_ended", "-created_at", "-id"
    )
    return by_end.select_related("owner__stripe_customer").first()


def _due(subscription: Subscription | None) -> Q:
    """Return the condition of a payment that the subscription waits for."""
    if subscription is None or not subscription.is_live:
        return Q(pk=None)
    due = Q(subscription=subscription, paid_at=None) & ~Q(invoice_url="")
    if subscription.status not in UNPAID:
        change_waits_since = timezone.now() - _CHANGE_WAITS
        due &= Q(kind=Payment.Kind.PLAN_CHANGE, created_at__gt=change_waits_since)
    return due
