"""Stripe's own pages for payment methods, billing details and invoices."""

from __future__ import annotations

from typing import Any

import stripe

from quickscale_stripe import customers
from quickscale_stripe.client import get_client
from quickscale_stripe.exceptions import stripe_errors
from quickscale_stripe.models import StripeCustomer


def open_portal(*, owner: Any, return_url: str) -> str:
    """The address of the owner's Billing Portal; send the browser there at once.

    Raises:
        PaymentsOffError, StripeUnavailableError, StripeRefusedError
    """
    return customers.ask(owner, lambda customer: _open(customer, return_url)).url


def _open(customer: StripeCustomer, return_url: str) -> stripe.billing_portal.Session:
    with stripe_errors():
        return get_client().v1.billing_portal.sessions.create(
            {"customer": customer.stripe_id or "", "return_url": return_url}
        )
