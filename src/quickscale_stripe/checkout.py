"""Stripe's hosted Checkout: where the buyer is sent to pay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import stripe

from quickscale_stripe import customers
from quickscale_stripe.client import get_client
from quickscale_stripe.conf import app_settings
from quickscale_stripe.exceptions import NotForSaleError, StripeRefusedError, stripe_errors
from quickscale_stripe.models import Payment, StripeCustomer, StripePrice

if TYPE_CHECKING:
    from stripe.params.checkout import SessionCreateParams


def buy(
    *, owner: Any, price: StripePrice, success_url: str, cancel_url: str, reference: str
) -> stripe.checkout.Session:
    """Open a Checkout for one package of credits; send the buyer to the session's ``url``.

    Call it outside a transaction that locks a credit account: it waits for Stripe.

    Args:
        owner: who pays and gets the credits.
        price: an offered one-time price.
        success_url: absolute; ``{CHECKOUT_SESSION_ID}`` in it is filled in by Stripe.
        cancel_url: absolute.
        reference: names this purchase, such as a UUID from the form; the same again opens the
            same session, so a double click buys once.

    Raises:
        NotForSaleError: the price isn't offered as a package.
        PaymentsOffError, StripeUnavailableError, StripeRefusedError
    """
    if not StripePrice.objects.offered().one_time().filter(pk=price.pk).exists():
        raise NotForSaleError(f"{price.stripe_id} is not for sale.")
    customer = customers.ensure(owner)
    try:
        session = _open_payment(customer, price, success_url, cancel_url, reference)
    except StripeRefusedError as error:
        if not (error.is_missing and error.param == "customer" and customer.stripe_id):
            raise
        customers.detach(customer.stripe_id)
        customer = customers.ensure(owner)
        session = _open_payment(customer, price, success_url, cancel_url, reference)
    if Payment.objects.filter(checkout_session_id=session.id).exists():
        # The buyer went back to the page of a purchase that is done, and buys once more.
        again = f"{reference}:{session.id}"
        session = _open_payment(customer, price, success_url, cancel_url, again)
    return session


def _open_payment(
    customer: StripeCustomer, price: StripePrice, success_url: str, cancel_url: str, reference: str
) -> stripe.checkout.Session:
    metadata = customers.metadata_for(customer) | {"credits": f"{price.credits.normalize():f}"}
    params: SessionCreateParams = {
        **_common(customer, success_url, cancel_url),
        "mode": "payment",
        "line_items": [{"price": price.stripe_id, "quantity": 1}],
        "metadata": metadata,
        "payment_intent_data": {"metadata": metadata},
    }
    with stripe_errors():
        return get_client().v1.checkout.sessions.create(
            params,
            {"idempotency_key": f"checkout:{customer.stripe_id}:{price.stripe_id}:{reference}"},
        )


def _common(customer: StripeCustomer, success_url: str, cancel_url: str) -> SessionCreateParams:
    params: SessionCreateParams = {
        "ui_mode": "hosted_page",
        "customer": customer.stripe_id or "",
        "client_reference_id": str(customer.owner_id),
        "success_url": success_url,
        "cancel_url": cancel_url,
    }
    if app_settings.allow_promotion_codes:
        params["allow_promotion_codes"] = True
    if app_settings.automatic_tax:
        params["automatic_tax"] = {"enabled": True}
        params["customer_update"] = {"address": "auto"}
    if app_settings.tax_id_collection:
        params["tax_id_collection"] = {"enabled": True}
        params.setdefault("customer_update", {})["name"] = "auto"
    return params
