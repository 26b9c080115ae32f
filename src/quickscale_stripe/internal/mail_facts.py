"""What mails to customers say: the contexts of their templates, without a query.

``facts`` are labels and values, which the text and the HTML part list alike.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from quickscale.formats import format_day, format_money, in_credits
from quickscale.links import absolute_page_url
from quickscale_stripe.conf import app_settings
from quickscale_stripe.internal.wording import brought_terms, credit_terms, plan_terms
from quickscale_stripe.models import Payment, Refund, Subscription
from quickscale_stripe.receipts import receipt

Facts = list[tuple[str, str]]


def about_purchase(payment: Payment) -> dict[str, Any]:
    settled = receipt.settled(payment)
    sums = [(sum_.label, sum_.amount) for sum_ in settled]
    if settled:
        sums = [(_("Total"), payment.total), *sums, (_("Paid"), payment.amount)]
    facts: Facts = [(label, format_money(amount, payment.currency)) for label, amount in sums]
    if payment.credits:
        facts.append((_("Credits"), brought_terms(payment)))
    facts.append((_("Receipt"), payment.receipt_number or ""))
    return {"payment": payment, "settled": settled, "facts": facts}


def about_failure(payment: Payment) -> dict[str, Any]:
    page = "plans" if payment.kind == Payment.Kind.SUBSCRIPTION else "buy_credits"
    return {"payment": payment, "url": absolute_page_url(f"quickscale_stripe:{page}")}


def about_refund(refund: Refund, balance: Decimal | None) -> dict[str, Any]:
    payment = refund.payment
    facts: Facts = [
        (_("Refund"), format_money(refund.amount, refund.currency)),
        (_("Payment"), f"{payment.title}, {format_money(payment.amount, payment.currency)}"),
    ]
    if payment.receipt_number:
        facts.append((_("Receipt"), payment.receipt_number))
    if refund.credits_revoked:
        facts.append((_("Credits taken back"), in_credits(refund.credits_revoked)))
        if balance is not None:
            facts.append((_("Your balance"), in_credits(balance)))
    return {
        "refund": refund,
        "payment": payment,
        "facts": facts,
        "url": absolute_page_url("quickscale_stripe:payment", pk=payment.pk),
    }


def about_cancellation(subscription: Subscription) -> dict[str, Any]:
    ends = subscription.cancel_at
    facts = [(_("Plan"), _plan(subscription)), (_("Ends on"), format_day(ends) if ends else "")]
    if until := _credits_until(subscription):
        facts.append((_("Credits of the plan"), _usable_until(until)))
    return _about(subscription, facts)


def about_return(subscription: Subscription) -> dict[str, Any]:
    facts: Facts = [(_("Plan"), _plan(subscription))]
    if subscription.current_period_end:
        facts.append((_("Renews on"), format_day(subscription.current_period_end)))
    if subscription.price:
        facts.append((_("Price"), plan_terms(subscription.price, subscription.quantity)))
    return _about(subscription, facts)


def about_plan_change(subscription: Subscription) -> dict[str, Any]:
    price = subscription.pending_price
    facts: Facts = [(_("Now"), _plan(subscription))]
    if price:
        facts.append((_("Next plan"), price.product.name))
        facts.append((_("Price"), plan_terms(price, subscription.quantity)))
        if price.credits:
            facts.append((_("Credits"), credit_terms(price)))
    if subscription.pending_at:
        facts.append((pgettext("first day", "From"), format_day(subscription.pending_at)))
    next_plan = price.product.name if price else ""
    return {**_about(subscription, facts), "next_plan": next_plan}


def about_end(subscription: Subscription, balance: Decimal | None) -> dict[str, Any]:
    ended = subscription.ended_at
    facts = [(_("Plan"), _plan(subscription)), (_("Ended on"), format_day(ended) if ended else "")]
    until = _credits_until(subscription)
    if until and ended and until > ended:
        facts.append((_("Credits of the plan"), _usable_until(until)))
    if balance is not None:
        facts.append((_("Your balance"), in_credits(balance)))
    return {
        **_about(subscription, facts),
        "has_credits": balance is not None,
        "url": absolute_page_url("quickscale_stripe:plans"),
    }


def _about(subscription: Subscription, facts: Facts) -> dict[str, Any]:
    return {
        "subscription": subscription,
        "plan": _plan(subscription),
        "facts": facts,
        "has_credits": bool(subscription.price and subscription.price.credits),
        "url": absolute_page_url("quickscale_stripe:subscription"),
    }


def _plan(subscription: Subscription) -> str:
    return subscription.price.product.name if subscription.price else _("Subscription")


def _credits_until(subscription: Subscription) -> datetime | None:
    """Return when the credits of a plan that ends can't be used any more."""
    ends = subscription.ended_at or subscription.cancel_at
    if not (ends and subscription.price and subscription.price.credits):
        return None
    if app_settings.ended_policy == "expire" or not subscription.current_period_end:
        return ends
    return max(ends, subscription.current_period_end)


def _usable_until(moment: datetime) -> str:
    return _("usable until %(date)s") % {"date": format_day(moment)}
