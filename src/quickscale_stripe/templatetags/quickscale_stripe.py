from __future__ import annotations

from django import template

from quickscale.templatetags.quickscale import isolated
from quickscale_stripe import terms
from quickscale_stripe.client import payments_are_on

register = template.Library()

register.filter("price_terms", isolated(terms.price_terms))
register.filter("credit_terms", isolated(terms.credit_terms))
register.filter("brought_terms", isolated(terms.brought_terms))
register.filter("left_over_terms", isolated(terms.left_over_terms))
register.filter(terms.dispute_terms)
register.filter(terms.method_terms)
register.simple_tag(payments_are_on)
