"""Change a subscription's plan: upgrade at once, or downgrade when the period ends.

Stripe computes all money. The credits of an upgrade follow its invoice, wherever it was made
(see ``quickscale_stripe.billing.period``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import stripe
from django.core import signing
from django.utils import timezone

from quickscale_stripe.billing import invoices, schedules, subscriptions
from quickscale_stripe.client import get_client
from quickscale_stripe.conf import app_settings
from quickscale_stripe.exceptions import (
    NotForSaleError,
    PreviewExpiredError,
    SubscriptionEndsError,
    stripe_errors,
)
from quickscale_stripe.internal.sdk import at, id_of
from quickscale_stripe.models import StripePrice, Subscription

_SALT = "quickscale_stripe.billing.plan_changes"
_TOKEN_AGE = timedelta(hours=1)


@dataclass(frozen=True)
class Preview:
    """What a change would cost now, in minor units, what it would bring, and when.

    ``token`` goes to :func:`change`, so that Stripe charges what was shown. ``lines`` are Stripe's
    own words with their amounts; with ``discount``, ``tax`` unless it is included, and ``balance``
    they add up to ``due_now``. ``balance`` is below 0 if the customer's balance pays a part, and
    above if money is added to it. ``renews_at`` is the new plan's next payment. ``left_over`` is
    the number of credits so far in the period that ``PLAN_CHANGE_POLICY`` decides on; ``None`` if
    there is nothing to say. ``paid_share`` is the share of a whole period's difference that is
    paid, from 0 to 1.
    """

    price: StripePrice
    is_upgrade: bool
    due_now: int
    currency: str
    takes_effect: datetime
    token: str
    lines: tuple[tuple[str, int], ...] = ()
    discount: int = 0
    tax: int = 0
    tax_is_included: bool = False
    balance: int = 0
    renews_at: datetime | None = None
    credits: Decimal = Decimal(0)
    left_over: Decimal | None = None
    paid_share: Decimal = Decimal(0)


def is_upgrade(subscription: Subscription, price: StripePrice) -> bool:
    """Return whether the price has a longer interval, or a higher amount for the same one."""
    return subscription.price is None or _rank(price) > _rank(subscription.price)


def cheaper(subscription: Subscription) -> StripePrice | None:
    """Return the next cheaper plan on sale for the same interval."""
    price = subscription.price
    if price is None or price.unit_amount is None:
        return None
    same = StripePrice.objects.offered(owner=subscription.owner).filter(
        currency=price.currency, interval=price.interval, interval_count=price.interval_count
    )
    lower = same.filter(unit_amount__lt=price.unit_amount)
    return lower.order_by("-unit_amount", "pk").first()


def preview(*, subscription: Subscription, price: StripePrice) -> Preview:
    """Ask Stripe what the change would cost.

    Raises:
        NotForSaleError: the price isn't an offered plan, or is the current one.
        SubscriptionEndsError
        StripeUnavailableError, StripeRefusedError
    """
    _check(subscription, price)
    if not is_upgrade(subscription, price):
        end = subscription.current_period_end or timezone.now()
        token = _sign(subscription, price, int(timezone.now().timestamp()))
        return Preview(price, False, 0, price.currency, end, token)
    with stripe_errors():
        remote = _going_on(subscription)
        proration_date, invoice = _preview_invoice(remote, price)
    taxes = invoice.total_taxes or []
    latest = id_of(remote.latest_invoice)
    known = filter(None, [subscription.price, price])
    foreseen = invoices.foresee(invoice, latest, known) if latest else None
    return Preview(
        price=price,
        is_upgrade=True,
        due_now=invoice.amount_due,
        currency=invoice.currency,
        takes_effect=at(proration_date),
        token=_sign(subscription, price, proration_date),
        lines=tuple((line.description or "", line.amount) for line in invoice.lines.data),
        discount=sum(part.amount for part in invoice.total_discount_amounts or []),
        tax=sum(tax.amount for tax in taxes),
        tax_is_included=any(tax.tax_behavior == "inclusive" for tax in taxes),
        balance=invoice.amount_due - invoice.total,
        renews_at=max((at(line.period.end) for line in invoice.lines.data), default=None),
        credits=foreseen.credits if foreseen else Decimal(0),
        left_over=(
            app_settings.fulfilment.left_over(payments=foreseen.before)
            if foreseen and foreseen.credits
            else None
        ),
        paid_share=foreseen.paid_share if foreseen else Decimal(0),
    )


def due_now(*, subscription: Subscription, price: StripePrice) -> tuple[int, str]:
    """Ask Stripe only for the minor units that an upgrade costs now, and their currency.

    Raises:
        NotForSaleError: the price isn't an offered plan, or is the current one.
        SubscriptionEndsError
        StripeUnavailableError, StripeRefusedError
    """
    _check(subscription, price)
    with stripe_errors():
        _proration_date, invoice = _preview_invoice(_going_on(subscription), price)
    return invoice.amount_due, invoice.currency


def change(*, subscription: Subscription, price: StripePrice, token: str) -> Subscription | None:
    """Change the plan: an upgrade is charged at once, a downgrade starts with the next period.

    If the card is declined, the old plan stays until the invoice is paid. Stripe drops the change
    if it never is (docs.stripe.com/billing/subscriptions/pending-updates).

    Args:
        subscription: a live one.
        price: the plan to change to.
        token: from the :class:`Preview` that was shown; it is valid for an hour.

    Raises:
        PreviewExpiredError: the token is for another change or expired, or the subscription has a
            new period.
        NotForSaleError, SubscriptionEndsError, StripeUnavailableError, StripeRefusedError
    """
    _check(subscription, price)
    proration_date = _unsign(token, subscription, price)
    if is_upgrade(subscription, price):
        _upgrade(subscription, price, proration_date)
    else:
        _downgrade_at_period_end(subscription, price)
    return subscriptions.sync(subscription.stripe_id)


def _check(subscription: Subscription, price: StripePrice) -> None:
    offered = StripePrice.objects.offered().recurring()
    if subscription.price:
        offered = offered.filter(currency=subscription.price.currency)
    if not offered.filter(pk=price.pk).exists() or price == subscription.price:
        raise NotForSaleError(f"The plan can't be changed to {price.stripe_id}.")
    if subscription.cancel_at:
        raise SubscriptionEndsError(f"{subscription.stripe_id} ends on {subscription.cancel_at}.")


def _sign(subscription: Subscription, price: StripePrice, proration_date: int) -> str:
    """Sign the time that Stripe computes the amounts for, so that no other can be sent."""
    return signing.dumps([subscription.stripe_id, price.stripe_id, proration_date], salt=_SALT)


def _unsign(token: str, subscription: Subscription, price: StripePrice) -> int:
    try:
        signed = signing.loads(token, salt=_SALT, max_age=_TOKEN_AGE)
    except signing.BadSignature as error:
        raise PreviewExpiredError("The preview is forged or too old.") from error
    *change, proration_date = signed
    if change != [subscription.stripe_id, price.stripe_id]:
        raise PreviewExpiredError("The preview is for another change.")
    return int(proration_date)


def _upgrade(subscription: Subscription, price: StripePrice, proration_date: int) -> None:
    item = _item(subscription)
    if proration_date < item.current_period_start:
        raise PreviewExpiredError("The subscription has a new period since the preview.")
    subscriptions.release_schedule(subscription)
    with stripe_errors():
        updated = get_client().v1.subscriptions.update(
            subscription.stripe_id,
            {
                "items": [{"id": item.id, "price": price.stripe_id}],
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
    """Schedule the new plan for the end of the paid period; it then renews without a schedule."""
    key = f"{subscription.stripe_id}:{price.stripe_id}:{subscription.synced_at.timestamp()}"
    client = get_client().v1.subscription_schedules
    with stripe_errors():
        remote = _going_on(subscription)
        schedule = remote.schedule
        if not isinstance(schedule, stripe.SubscriptionSchedule):
            schedule = client.create(
                {"from_subscription": remote.id}, {"idempotency_key": f"schedule:{key}"}
            )
        item = subscriptions.plan_item(remote)
        if schedules.brings(schedule, item, price):
            return  # The button was pressed twice.
        client.update(
            schedule.id,
            {
                "end_behavior": "release",
                "proration_behavior": "none",
                "phases": schedules.change_at_period_end(schedule, remote, item, price),
            },
            {"idempotency_key": f"downgrade:{key}"},
        )


def _preview_invoice(remote: stripe.Subscription, price: StripePrice) -> tuple[int, stripe.Invoice]:
    """Return the time that Stripe computed an upgrade's amounts for, and the invoice to come."""
    item = subscriptions.plan_item(remote)
    proration_date = max(int(timezone.now().timestamp()), item.current_period_start)
    invoice = get_client().v1.invoices.create_preview(
        {
            "subscription": remote.id,
            "subscription_details": {
                "items": [{"id": item.id, "price": price.stripe_id}],
                "proration_behavior": "always_invoice",
                "proration_date": proration_date,
            },
        }
    )
    return proration_date, invoice


def _item(subscription: Subscription) -> stripe.SubscriptionItem:
    with stripe_errors():
        return subscriptions.plan_item(_going_on(subscription))


def _going_on(subscription: Subscription) -> stripe.Subscription:
    """Fetch the subscription, which may have just been cancelled at Stripe."""
    remote = get_client().v1.subscriptions.retrieve(
        subscription.stripe_id, {"expand": ["schedule"]}
    )
    if remote.cancel_at or remote.cancel_at_period_end:
        subscriptions.sync(subscription.stripe_id)
        raise SubscriptionEndsError(f"{remote.id} is cancelled.")
    return remote


def _rank(price: StripePrice) -> tuple[int, int]:
    return price.days, price.unit_amount or 0
