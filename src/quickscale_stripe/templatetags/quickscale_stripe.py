from __future__ import annotations

from django import template

from quickscale.templatetags.quickscale import isolated
from quickscale_stripe.client import payments_are_on
from quickscale_stripe.internal import wording
from quickscale_stripe.models import Payment, Subscription

register = template.Library()

PAYMENT_TONES = {
    Payment.Status.PENDING: "info",
    Payment.Status.SUCCEEDED: "success",
    Payment.Status.FAILED: "danger",
    Payment.Status.DISPUTED: "danger",
    Payment.Status.PARTIALLY_REFUNDED: "info",
    Payment.Status.REFUNDED: "info",
}

SUBSCRIPTION_TONES = {
    Subscription.Status.ACTIVE: "success",
    Subscription.Status.TRIALING: "info",
    Subscription.Status.INCOMPLETE: "warning",
    Subscription.Status.PAUSED: "warning",
    Subscription.Status.PAST_DUE: "danger",
    Subscription.Status.UNPAID: "danger",
}

register.filter("price_terms", isolated(wording.price_terms))
register.filter("price_figure", isolated(wording.price_figure))
register.filter("bill_terms", isolated(wording.bill_terms))
register.filter("credit_pace", isolated(wording.credit_pace))
register.filter(wording.price_unit)
register.filter("credit_terms", isolated(wording.credit_terms))
register.filter("brought_terms", isolated(wording.brought_terms))
register.filter("left_over_terms", isolated(wording.left_over_terms))
register.filter(wording.dispute_terms)
register.filter(wording.method_terms)
register.filter("method_name", isolated(wording.method_name))
register.simple_tag(payments_are_on)


@register.filter
def payment_tone(payment: Payment) -> str:
    """Return the tone of the pill with a payment's status."""
    return PAYMENT_TONES.get(Payment.Status(payment.status), "")


@register.filter
def subscription_tone(subscription: Subscription) -> str:
    """Return the tone of the pill with a subscription's status."""
    return SUBSCRIPTION_TONES.get(Subscription.Status(subscription.status), "")
