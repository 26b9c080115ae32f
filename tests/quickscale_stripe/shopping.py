"""The steps of a buyer, for the tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from typing import Any

from quickscale_stripe.billing import checkout
from quickscale_stripe.client import using
from quickscale_stripe.models import Payment, StripePrice
from quickscale_stripe.testing import post_to_site
from quickscale_stripe_sandbox import Sandbox
from quickscale_stripe_sandbox.recording import RecordingHTTPClient, strict_reads

SECRET = "whsec_of_the_tests"


@contextmanager
def sandboxed() -> Iterator[Sandbox]:
    """Use a sandbox in place of Stripe, whose events wait until ``sandbox.deliver()``.

    The site's webhook secret must be ``SECRET``. Requests and reads that the SDK doesn't declare
    fail the test, as does a money-making POST without an idempotency key.
    """
    stripe = Sandbox(":memory:", transport=post_to_site)
    stripe.add_endpoint("http://testserver/stripe/webhook/", secret=SECRET)
    with closing(stripe), using(RecordingHTTPClient(stripe)), strict_reads():
        yield stripe


def open_checkout(owner: Any, price: StripePrice, reference: str = "first") -> str:
    """Open a Checkout session, and return its id."""
    session = checkout.buy(
        owner=owner,
        price=price,
        success_url="http://testserver/done/?session_id={CHECKOUT_SESSION_ID}",
        cancel_url="http://testserver/cancelled/",
        reference=reference,
    )
    return session.id


def open_signup(owner: Any, price: StripePrice, reference: str = "first") -> str:
    """Open a Checkout session for a plan, and return its id."""
    return checkout.subscribe(
        owner=owner,
        price=price,
        success_url="http://testserver/done/?session_id={CHECKOUT_SESSION_ID}",
        cancel_url="http://testserver/cancelled/",
        reference=reference,
    ).id


def charge_of(payment: Payment) -> str:
    return payment.charges.get().charge_id


def intent_of(payment: Payment) -> str:
    return payment.charges.get().payment_intent_id


def balance(owner: Any) -> Decimal:
    from quickscale_credits.models import CreditAccount  # Not every site has it.

    return CreditAccount.objects.for_owner(owner).get_balance()


def alter(shop: Sandbox, kind: str, object_id: str, **fields: Any) -> None:
    """Change fields of the sandbox's object that only Stripe itself could change."""
    with shop.world() as world:
        world.save(world.get(kind, object_id) | fields)
