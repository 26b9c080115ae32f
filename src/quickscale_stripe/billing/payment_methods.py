"""What the next invoice is charged to.

Stripe charges a subscription's own default payment method, else the customer's. Checkout gives a
subscription its own, and the Billing Portal changes the customer's. So a new default of the
customer is written to the subscriptions as well (docs.stripe.com/billing/revenue-recovery/
smart-retries#payment-method-ordering). Stripe's next retry of an overdue invoice then charges it,
too.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import stripe

from quickscale_stripe.client import get_client
from quickscale_stripe.exceptions import stripe_errors
from quickscale_stripe.internal.sdk import id_of, optional
from quickscale_stripe.models import StripeCustomer

#: The fields of a customer that the functions here need expanded.
EXPAND = [
    "invoice_settings.default_payment_method",
    "subscriptions.data.default_payment_method",
]


def follow_default(
    customer: StripeCustomer, remote: stripe.Customer
) -> stripe.PaymentMethod | None:
    """Charge the customer's subscriptions to the customer's default if that is new.

    Returns:
        what Stripe charges next.

    Raises:
        StripeUnavailableError, StripeRefusedError
    """
    default = _default(remote)
    if default is None or default.id == customer.default_payment_method_id:
        return charged_next(remote)
    for subscription in _running(remote):
        if id_of(subscription.default_payment_method) not in (None, default.id):
            with stripe_errors():
                get_client().v1.subscriptions.update(
                    subscription.id,
                    {"default_payment_method": default.id},
                    {"idempotency_key": f"payment_method:{uuid4()}"},
                )
    return default


def charged_next(remote: stripe.Customer) -> stripe.PaymentMethod | None:
    """Return what Stripe charges next: a subscription's own payment method, else the customer's."""
    own = [subscription.default_payment_method for subscription in _running(remote)]
    methods = [*own, _default(remote)]
    return next((each for each in methods if isinstance(each, stripe.PaymentMethod)), None)


def put(
    customer: StripeCustomer, remote: stripe.Customer, method: stripe.PaymentMethod | None
) -> None:
    """Set what is charged next, and the customer's own default; the caller saves."""
    default = _default(remote)
    customer.payment_method_id = method.id if method else ""
    customer.payment_method = shown(method) if method else {}
    customer.default_payment_method_id = default.id if default else ""


def shown(method: stripe.PaymentMethod) -> dict[str, Any]:
    """Return what a page shows: kind, brand or bank, last digits and a card's expiry."""
    if card := optional(method, "card"):
        return {
            "type": method.type,
            "name": card.brand,
            "last4": card.last4,
            "expires": [card.exp_year, card.exp_month],
        }
    if bank := optional(method, "us_bank_account"):
        return {"type": method.type, "name": bank.bank_name or "", "last4": bank.last4 or ""}
    if debit := optional(method, "sepa_debit"):
        return {"type": method.type, "name": "", "last4": debit.last4 or ""}
    return {"type": method.type, "name": "", "last4": ""}


def _running(remote: stripe.Customer) -> list[stripe.Subscription]:
    return remote.subscriptions.data if remote.subscriptions else []


def _default(remote: stripe.Customer) -> stripe.PaymentMethod | None:
    settings = remote.invoice_settings
    default = settings.default_payment_method if settings else None
    return default if isinstance(default, stripe.PaymentMethod) else None
