"""What the next invoice is charged to: mirrored, and saved by a Checkout without paying."""

from __future__ import annotations

from typing import Any

import stripe

from quickscale_stripe import customers
from quickscale_stripe.client import get_client
from quickscale_stripe.conf import app_settings
from quickscale_stripe.exceptions import stripe_errors
from quickscale_stripe.models import StripeCustomer
from quickscale_stripe.stripe_objects import id_of, optional


def sync(customer: StripeCustomer) -> None:
    """Mirror the payment method that Stripe charges next: the subscription's, else the customer's.

    Raises:
        StripeUnavailableError, StripeRefusedError
    """
    if not customer.is_usable:
        return
    with stripe_errors():
        remote = get_client().v1.customers.retrieve(
            customer.stripe_id or "", {"expand": ["invoice_settings.default_payment_method"]}
        )
        running = get_client().v1.subscriptions.list(
            {"customer": customer.stripe_id or "", "expand": ["data.default_payment_method"]}
        )
    if optional(remote, "deleted"):
        return
    settings = remote.invoice_settings
    found = [subscription.default_payment_method for subscription in running.data]
    methods = [*found, settings.default_payment_method if settings else None]
    method = next((each for each in methods if isinstance(each, stripe.PaymentMethod)), None)
    _keep(customer, method.id if method else "", _shown(method) if method else {})


def sync_method(method_id: str) -> None:
    """Mirror anew for whom a payment method was added, changed or removed.

    Raises:
        StripeUnavailableError, StripeRefusedError
    """
    with stripe_errors():
        method = get_client().v1.payment_methods.retrieve(method_id)
    owner = customers.find(stripe_id=id_of(method.customer))
    before = StripeCustomer.objects.filter(payment_method_id=method_id).first()
    if customer := owner or before:
        sync(customer)


def save_of_session(session: stripe.checkout.Session) -> None:
    """Let a payment method that was saved by a finished Checkout be charged from now on.

    Once for each session, and never after a later one, so that an event that comes again brings no
    older method back.

    Raises:
        StripeUnavailableError, StripeRefusedError
    """
    customer = customers.find(metadata=session.metadata, stripe_id=id_of(session.customer))
    if (
        customer is None
        or session.livemode != app_settings.live_mode
        or customer.stripe_id != id_of(session.customer)
        or session.created <= customer.payment_method_set_at
    ):
        return
    client = get_client().v1
    with stripe_errors():
        setup = client.setup_intents.retrieve(id_of(session.setup_intent) or "")
        method_id = id_of(setup.payment_method) or ""
        client.customers.update(
            customer.stripe_id or "", {"invoice_settings": {"default_payment_method": method_id}}
        )
        running = client.subscriptions.list({"customer": customer.stripe_id or ""})
        for subscription in running.auto_paging_iter():
            client.subscriptions.update(
                subscription.id,
                {"default_payment_method": method_id},
                {"idempotency_key": f"payment_method:{subscription.id}:{session.id}"},
            )
    sync(customer)
    StripeCustomer.objects.filter(pk=customer.pk, payment_method_set_at__lt=session.created).update(
        payment_method_set_at=session.created
    )


def _keep(customer: StripeCustomer, method_id: str, shown: dict[str, Any]) -> None:
    StripeCustomer.objects.filter(pk=customer.pk).update(
        payment_method_id=method_id, payment_method=shown
    )


def _shown(method: stripe.PaymentMethod) -> dict[str, Any]:
    """What a page shows: the kind, whose it is, its last digits and, of a card, its end."""
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
