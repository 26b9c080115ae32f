"""Stripe's own pages for payment methods, billing details and invoices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import stripe

from quickscale_stripe.billing import buyers
from quickscale_stripe.client import get_client
from quickscale_stripe.exceptions import stripe_errors
from quickscale_stripe.models import StripeCustomer

if TYPE_CHECKING:
    from stripe.params.billing_portal import SessionCreateParams


def open_portal(*, owner: Any, return_url: str) -> str:
    """Return the address of the owner's Billing Portal; send the browser there at once.

    Raises:
        PaymentsOffError, StripeUnavailableError, StripeRefusedError: also if the portal's
            settings were never saved in Stripe's dashboard.
    """
    return buyers.ask(owner, lambda customer: _open(_params(customer, return_url))).url


def update_payment_method(*, owner: Any, return_url: str) -> str:
    """Return the address of Stripe's page that takes a new payment method and then leads back.

    The payment method becomes the customer's default
    (docs.stripe.com/customer-management/portal-deep-links).

    Raises:
        PaymentsOffError, StripeUnavailableError, StripeRefusedError
    """

    def request(customer: StripeCustomer) -> stripe.billing_portal.Session:
        params = _params(customer, return_url)
        params["flow_data"] = {
            "type": "payment_method_update",
            "after_completion": {"type": "redirect", "redirect": {"return_url": return_url}},
        }
        return _open(params)

    return buyers.ask(owner, request).url


def _params(customer: StripeCustomer, return_url: str) -> SessionCreateParams:
    return {"customer": customer.stripe_id or "", "return_url": return_url}


def _open(params: SessionCreateParams) -> stripe.billing_portal.Session:
    with stripe_errors():
        return get_client().v1.billing_portal.sessions.create(params)
