"""Stripe's own command line does what a person would do at Stripe, and the site keeps up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from quickscale_stripe.models import (
    Payment,
    StripeCustomer,
    StripeEvent,
    StripePrice,
    StripeProduct,
    Subscription,
)
from quickscale_stripe_sandbox import Sandbox
from quickscale_stripe_sandbox.internal.server import make_sandbox_server
from tests.quickscale_stripe.shopping import balance, charge_of, open_checkout
from tests.quickscale_stripe.test_subscriptions import basic, subscribed
from tests.quickscale_stripe_sandbox.cli import needs_cli, run_cli

__all__ = ["basic", "subscribed"]

pytestmark = [needs_cli, pytest.mark.django_db]


@pytest.fixture
def cli(shop: Sandbox, tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Runs a command against the shop's sandbox and delivers the events to the site."""
    server = make_sandbox_server(shop, 0)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()

    def run(*arguments: str) -> str:
        printed = run_cli(shop.base_url, tmp_path, *arguments)
        shop.deliver()
        return printed

    yield run
    server.shutdown()
    thread.join()
    server.server_close()


def bought(shop: Sandbox, owner: Any, package: StripePrice) -> Payment:
    shop.pay(open_checkout(owner, package))
    shop.deliver()
    return Payment.objects.get()


def test_refunds_by_the_cli_take_the_credits_back(
    cli: Callable[..., str], shop: Sandbox, owner: Any, package: StripePrice
) -> None:
    payment = bought(shop, owner, package)
    assert balance(owner) == 100
    charge = charge_of(payment)
    cli("refunds", "create", "--charge", charge, "--amount", "450")
    assert balance(owner) == 50
    cli("refunds", "create", "--charge", charge)
    assert balance(owner) == 0
    payment.refresh_from_db()
    assert payment.status == Payment.Status.REFUNDED


def test_a_subscription_that_the_cli_cancels_ends(
    cli: Callable[..., str], subscribed: Subscription, owner: Any
) -> None:
    cli("subscriptions", "update", subscribed.stripe_id, "--cancel-at-period-end=true")
    subscribed.refresh_from_db()
    assert subscribed.cancel_at
    cli("subscriptions", "cancel", subscribed.stripe_id, "--confirm")
    subscribed.refresh_from_db()
    assert subscribed.status == "canceled"
    assert balance(owner) == 300


def test_the_catalogue_and_customers_follow_the_cli(
    cli: Callable[..., str], shop: Sandbox, owner: Any, package: StripePrice
) -> None:
    bought(shop, owner, package)
    cli("products", "create", "--name", "By hand", "-d", "metadata[credits]=7")
    product = StripeProduct.objects.get(name="By hand")
    arguments = ("--currency", "usd", "--unit-amount", "700", "--product", product.stripe_id)
    cli("prices", "create", *arguments)
    price = StripePrice.objects.get(product=product)
    assert (price.unit_amount, price.credits) == (700, 7)
    cli("prices", "update", price.stripe_id, "--active=false")
    price.refresh_from_db()
    assert not price.active

    customer = StripeCustomer.objects.get()
    cli("customers", "delete", str(customer.stripe_id), "--confirm")
    customer.refresh_from_db()
    assert not customer.is_usable
    assert balance(owner) == 100


@pytest.mark.parametrize(
    "trigger",
    [
        "customer.subscription.created",
        "customer.subscription.deleted",
        "invoice.paid",
        "invoice.payment_failed",
        "charge.refunded",
        "charge.dispute.created",
        "payment_intent.succeeded",
        "payment_intent.payment_failed",
        "customer.deleted",
        "price.updated",
    ],
)
def test_what_belongs_to_others_changes_nothing_here(
    cli: Callable[..., str], shop: Sandbox, owner: Any, package: StripePrice, trigger: str
) -> None:
    bought(shop, owner, package)
    before = StripeEvent.objects.count()
    cli("trigger", trigger)
    shop.advance(seconds=60)
    shop.deliver()

    heard = StripeEvent.objects.order_by("pk")[before:]
    assert trigger in {event.type for event in heard}
    assert {event.status for event in heard} <= {"processed", "ignored"}
    assert {row["state"] for row in shop.deliveries()} == {"delivered"}
    assert Payment.objects.count() == 1
    assert not Subscription.objects.exists()
    assert balance(owner) == 100
