"""Stripe's hosted Checkout, where the buyer pays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import stripe

from quickscale_stripe.billing import buyers, customers, subscriptions
from quickscale_stripe.catalogue.metadata import credits_text
from quickscale_stripe.client import get_client
from quickscale_stripe.conf import app_settings
from quickscale_stripe.exceptions import (
    AlreadySubscribedError,
    MayNotBuyError,
    NotForSaleError,
    stripe_errors,
)
from quickscale_stripe.internal.sdk import id_of
from quickscale_stripe.models import Payment, StripeCustomer, StripePrice

if TYPE_CHECKING:
    from stripe.params.checkout import SessionCreateParams


def buy(
    *, owner: Any, price: StripePrice, success_url: str, cancel_url: str, reference: str
) -> stripe.checkout.Session:
    """Open a Checkout for one package of credits; send the buyer to the session's ``url``.

    Call it outside a transaction that locks a credit account: it waits for Stripe.

    Args:
        owner: the owner who pays and gets the credits.
        price: an offered one-time price.
        success_url: absolute; ``{CHECKOUT_SESSION_ID}`` in it is filled in by Stripe.
        cancel_url: absolute.
        reference: names this purchase, such as a UUID from the form; the same reference opens the
            same session, so a double click buys once.

    Raises:
        NotForSaleError: the price isn't offered as a package.
        MayNotBuyError: the owner's credit account is closed, or the site refuses to sell.
        PaymentsOffError, StripeUnavailableError, StripeRefusedError
    """
    if not StripePrice.objects.offered(owner=owner).one_time().filter(pk=price.pk).exists():
        raise NotForSaleError(f"{price.stripe_id} is not for sale.")
    _check(owner)
    session = _open(owner, price, success_url, cancel_url, reference)
    if Payment.objects.filter(checkout_session_id=session.id).exists():
        # The buyer went back to the page of a completed purchase, and buys once more.
        session = _open(owner, price, success_url, cancel_url, f"{reference}:{session.id}")
    return session


def subscribe(
    *, owner: Any, price: StripePrice, success_url: str, cancel_url: str, reference: str
) -> stripe.checkout.Session:
    """Open a Checkout for a plan. The arguments are those of :func:`buy`.

    An owner has one subscription at a time. So this asks Stripe for one that was made elsewhere or
    a moment ago, and closes other open Checkouts for plans.

    Raises:
        NotForSaleError: the price isn't offered as a plan.
        MayNotBuyError: the owner's credit account is closed, or the site refuses to sell.
        AlreadySubscribedError: the owner has a subscription; change its plan instead.
        PaymentsOffError, StripeUnavailableError, StripeRefusedError
    """
    if not StripePrice.objects.offered(owner=owner).recurring().filter(pk=price.pk).exists():
        raise NotForSaleError(f"{price.stripe_id} is not for sale.")
    _check(owner)
    customer = buyers.ensure(owner)
    if subscriptions.sync_all_of(customer):
        raise AlreadySubscribedError("The owner has a subscription.")
    session = _open(owner, price, success_url, cancel_url, reference)
    _expire_others(session)
    return session


def _check(owner: Any) -> None:
    if reason := app_settings.fulfilment.refusal(owner=owner):
        raise MayNotBuyError(reason)


def _open(
    owner: Any, price: StripePrice, success_url: str, cancel_url: str, reference: str
) -> stripe.checkout.Session:
    return buyers.ask(
        owner, lambda customer: _create(customer, price, success_url, cancel_url, reference)
    )


def _create(
    customer: StripeCustomer, price: StripePrice, success_url: str, cancel_url: str, reference: str
) -> stripe.checkout.Session:
    key = f"checkout:{customer.stripe_id}:{price.stripe_id}:{reference}"
    params = _params(customer, price, success_url, cancel_url)
    with stripe_errors():
        return get_client().v1.checkout.sessions.create(params, {"idempotency_key": key})


def _params(
    customer: StripeCustomer, price: StripePrice, success_url: str, cancel_url: str
) -> SessionCreateParams:
    metadata = customers.metadata_for(customer)
    params: SessionCreateParams = {
        "ui_mode": "hosted_page",
        "customer": customer.stripe_id or "",
        "client_reference_id": str(customer.owner_id),
        "success_url": success_url,
        "cancel_url": cancel_url,
        "line_items": [{"price": price.stripe_id, "quantity": 1}],
    }
    if price.is_subscription:
        params["mode"] = "subscription"
        params["subscription_data"] = {"metadata": metadata}
    else:
        metadata["credits"] = credits_text(price.credits)
        params["mode"] = "payment"
        params["payment_intent_data"] = {"metadata": metadata}
    params["metadata"] = metadata
    if app_settings.allow_promotion_codes:
        params["allow_promotion_codes"] = True
    if app_settings.automatic_tax:
        params["automatic_tax"] = {"enabled": True}
        params["customer_update"] = {"address": "auto"}
    if app_settings.tax_id_collection:
        params["tax_id_collection"] = {"enabled": True}
        params.setdefault("customer_update", {})["name"] = "auto"
    return params


def _expire_others(session: stripe.checkout.Session) -> None:
    """Close the customer's other open Checkouts for plans, so that only one can be paid."""
    sessions = get_client().v1.checkout.sessions
    with stripe_errors():
        still_open = sessions.list({"customer": id_of(session.customer) or "", "status": "open"})
        for other in still_open.auto_paging_iter():
            if other.mode == "subscription" and other.id != session.id:
                sessions.expire(other.id)
