"""Changing the plan of a subscription: dearer at once, cheaper when the period ends.

Stripe computes all money. The credits of an upgrade follow its invoice, whoever made the change
(see :mod:`quickscale_stripe.allotments`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import stripe
from django.utils import timezone

from quickscale_stripe import invoices, subscriptions
from quickscale_stripe.client import get_client
from quickscale_stripe.conf import app_settings
from quickscale_stripe.exceptions import NotForSaleError, stripe_errors
from quickscale_stripe.models import StripePrice, Subscription
from quickscale_stripe.stripe_objects import at, id_of


@dataclass(frozen=True)
class Preview:
    """What a change would cost now, in minor units, what it would bring, and when.

    Send ``proration_date`` back to :func:`change`, so that Stripe charges what was shown. ``lines``
    are Stripe's own words with their amounts, without the tax. ``left_over`` are the credits of
    the period so far that ``PLAN_CHANGE_POLICY`` decides on; ``None`` when there is nothing to say.
    """

    price: StripePrice
    is_upgrade: bool
    due_now: int
    currency: str
    takes_effect: datetime
    proration_date: int
    lines: tuple[tuple[str, int], ...] = ()
    tax: int = 0
    credits: Decimal = Decimal(0)
    left_over: Decimal | None = None


def is_upgrade(subscription: Subscription, price: StripePrice) -> bool:
    """A longer interval, or a higher amount for the same one."""
    return subscription.price is None or _rank(price) > _rank(subscription.price)


def preview(*, subscription: Subscription, price: StripePrice) -> Preview:
    """Ask Stripe what the change would cost.

    Raises:
        NotForSaleError: the price isn't an offered plan, or is the current one.
        StripeUnavailableError, StripeRefusedError
    """
    _check(subscription, price)
    proration_date = int(timezone.now().timestamp())
    if not is_upgrade(subscription, price):
        end = subscription.current_period_end or timezone.now()
        return Preview(price, False, 0, price.currency, end, proration_date)
    with stripe_errors():
        remote = get_client().v1.subscriptions.retrieve(subscription.stripe_id)
        item = remote.items.data[0]
        proration_date = max(proration_date, item.current_period_start)
        invoice = get_client().v1.invoices.create_preview(
            {
                "subscription": subscription.stripe_id,
                "subscription_details": {
                    "items": [{"id": item.id, "price": price.stripe_id}],
                    "proration_behavior": "always_invoice",
                    "proration_date": proration_date,
                },
            }
        )
    latest = id_of(remote.latest_invoice)
    brings, before = invoices.foresee(invoice, latest) if latest else (Decimal(0), [])
    return Preview(
        price=price,
        is_upgrade=True,
        due_now=invoice.amount_due,
        currency=invoice.currency,
        takes_effect=at(proration_date),
        proration_date=proration_date,
        lines=tuple((line.description or "", line.amount) for line in invoice.lines.data),
        tax=sum(tax.amount for tax in invoice.total_taxes or []),
        credits=brings,
        left_over=app_settings.left_over(payments=before) if brings else None,
    )


def change(
    *, subscription: Subscription, price: StripePrice, proration_date: int
) -> Subscription | None:
    """Change the plan: an upgrade is charged at once, a downgrade comes with the next period.

    A card that is declined leaves the old plan until the invoice is paid, and Stripe drops the
    change when it isn't (docs.stripe.com/billing/subscriptions/pending-updates).

    Args:
        subscription: a live one.
        price: the plan to change to.
        proration_date: the one of the :class:`Preview` that was shown.

    Raises:
        NotForSaleError, StripeUnavailableError, StripeRefusedError
    """
    _check(subscription, price)
    if subscription.cancel_at_period_end:
        subscriptions.reactivate(subscription)
    if is_upgrade(subscription, price):
        _upgrade(subscription, price, proration_date)
    else:
        _downgrade_at_period_end(subscription, price)
    return subscriptions.sync(subscription.stripe_id)


def _check(subscription: Subscription, price: StripePrice) -> None:
    offered = StripePrice.objects.offered().recurring().filter(pk=price.pk).exists()
    if not offered or price == subscription.price:
        raise NotForSaleError(f"The plan can't be changed to {price.stripe_id}.")


def _upgrade(subscription: Subscription, price: StripePrice, proration_date: int) -> None:
    subscriptions.release_schedule(subscription)
    with stripe_errors():
        updated = get_client().v1.subscriptions.update(
            subscription.stripe_id,
            {
                "items": [{"id": _item(subscription).id, "price": price.stripe_id}],
                "proration_behavior": "always_invoice",
                "proration_date": proration_date,
                "payment_behavior": "pending_if_incomplete",
            },
            {
                "idempotency_key": (
                    f"change:{subscription.stripe_id}:{price.stripe_id}:{proration_date}"
                )
            },
        )
    if invoice_id := id_of(updated.latest_invoice):
        invoices.sync(invoice_id)


def _downgrade_at_period_end(subscription: Subscription, price: StripePrice) -> None:
    """Two phases: what is paid for until its end, then the new plan, which goes on freely."""
    key = f"{subscription.stripe_id}:{price.stripe_id}:{subscription.synced_at.timestamp()}"
    schedules = get_client().v1.subscription_schedules
    with stripe_errors():
        item = _item(subscription)
        schedule_id = subscription.schedule_id or (
            schedules.create(
                {"from_subscription": subscription.stripe_id},
                {"idempotency_key": f"schedule:{key}"},
            ).id
        )
        quantity = item.quantity or 1
        schedules.update(
            schedule_id,
            {
                "end_behavior": "release",
                "proration_behavior": "none",
                "phases": [
                    {
                        "items": [{"price": item.price.id, "quantity": quantity}],
                        "start_date": item.current_period_start,
                        "end_date": item.current_period_end,
                    },
                    {
                        "items": [{"price": price.stripe_id, "quantity": quantity}],
                        "start_date": item.current_period_end,
                        "duration": {
                            "interval": price.interval,
                            "interval_count": price.interval_count,
                        },
                    },
                ],
            },
            {"idempotency_key": f"downgrade:{key}"},
        )


def _item(subscription: Subscription) -> stripe.SubscriptionItem:
    return get_client().v1.subscriptions.retrieve(subscription.stripe_id).items.data[0]


def _rank(price: StripePrice) -> tuple[int, int]:
    return price.days, price.unit_amount or 0
