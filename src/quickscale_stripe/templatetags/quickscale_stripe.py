from __future__ import annotations

from decimal import Decimal

from django import template

from quickscale_stripe import terms
from quickscale_stripe.client import payments_are_on
from quickscale_stripe.money import format_credits, format_money

register = template.Library()

register.filter(terms.price_terms)
register.filter(terms.credit_terms)
register.filter(terms.in_credits)
register.filter(terms.dispute_terms)
register.filter(terms.left_over_terms)
register.filter(terms.method_terms)
register.simple_tag(payments_are_on)


@register.filter
def money(amount: int | Decimal, currency: str) -> str:
    """``{{ price.unit_amount|money:price.currency }}``: minor units in the reader's locale."""
    return format_money(amount, currency)


@register.filter
def credit_amount(amount: Decimal) -> str:
    return format_credits(amount)
