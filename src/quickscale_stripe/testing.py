"""Helpers for a site's own tests: buy, renew and refund at a Stripe that the test owns."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.test import Client
from django.urls import reverse

from quickscale_stripe.billing import checkout
from quickscale_stripe.catalogue import mirror
from quickscale_stripe.client import using
from quickscale_stripe.models import StripePrice
from quickscale_stripe_sandbox import Sandbox, SandboxHTTPClient
from quickscale_stripe_sandbox.operations.checkout import Step

_ORIGIN = "http://testserver"
_SECRET = "whsec_of_a_test"  # noqa: S105 - opens nothing


class StripeOfTest:
    """Acts as buyers, banks and time do.

    ``sandbox`` is Stripe's side and can do more: make refunds and disputes, show what has happened,
    and choose the order in which the site receives events.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    def price(self, product: str, interval: str = "month") -> StripePrice:
        """Return a price on sale by its product's name; ``interval`` picks one of a plan's
        prices."""
        return StripePrice.objects.offered().get(product__name=product, interval__in=["", interval])

    def open_checkout(self, owner: Any, price: StripePrice) -> str:
        """Open a Checkout for a package or a plan as the site's pages do; return its session's
        id."""
        session = (checkout.subscribe if price.is_subscription else checkout.buy)(
            owner=owner,
            price=price,
            success_url=f"{_ORIGIN}/?session_id={{CHECKOUT_SESSION_ID}}",
            cancel_url=f"{_ORIGIN}/",
            reference=str(uuid4()),
        )
        return session.id

    def pay(self, session_id: str, method: str = "card") -> Step:
        """Pay on the hosted page, and deliver the events.

        Args:
            method: one of ``Sandbox.pay``, such as ``declined`` or ``bank_success``.

        Returns:
            where the buyer goes next (``url``), or the ``error`` that the page shows.
        """
        step = self.sandbox.pay(session_id, method)
        self.deliver()
        return step

    def buy(self, owner: Any, product: str, interval: str = "month", method: str = "card") -> Step:
        """Open a Checkout for a package or a plan and pay it."""
        return self.pay(self.open_checkout(owner, self.price(product, interval)), method)

    def refund(self, charge_id: str, amount: int | None = None) -> None:
        """Refund a charge, or ``amount`` minor units of it, as Stripe's dashboard does."""
        self.sandbox.refund(charge_id, amount=amount)
        self.deliver()

    def advance(self, time: timedelta) -> None:
        """Move Stripe's clock forward: renewals, ends of trials and bank debits happen.

        The ledger has its own clock, which ``quickscale_credits.testing.ledger_clock`` moves.
        """
        self.sandbox.advance(seconds=int(time.total_seconds()))
        self.deliver()

    def deliver(self) -> None:
        """Send the site the events that it hasn't received yet.

        Raises:
            AssertionError: the site didn't accept an event.
        """
        while self.sandbox.deliver():
            pass
        for row in self.sandbox.deliveries():
            if row["state"] == "pending" and row["attempts"]:
                raise AssertionError(f"The webhook returned {row['answer']} for {row['event']}")


@contextmanager
def stripe_sandbox(*, seed: bool = True) -> Iterator[StripeOfTest]:
    """Let the site use a Stripe that exists in memory for this block only.

    Args:
        seed: start with the sample catalogue, three packages and two plans, mirrored here.
    """
    sandbox = Sandbox(":memory:", base_url=f"{_ORIGIN}/stripe/sandbox", transport=post_to_site)
    with closing(sandbox), using(SandboxHTTPClient(sandbox), webhook_secret=_SECRET):
        if seed:
            sandbox.seed()
            list(mirror.sync_all())
        sandbox.add_endpoint(_ORIGIN + reverse("stripe_webhook"), secret=_SECRET)
        yield StripeOfTest(sandbox)


def post_to_site(url: str, headers: dict[str, str], body: bytes) -> tuple[int, str]:
    """Send an event to the site's own views: a transport for a sandbox in a test."""
    response = Client(raise_request_exception=False).generic(
        "POST",
        url.removeprefix(_ORIGIN),
        body,
        content_type="application/json",
        headers=headers,
    )
    return response.status_code, response.text
