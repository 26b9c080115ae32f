"""Every request to Stripe has the pinned version and a stable key."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

import quickscale_stripe
from quickscale.owner import forget_owner
from quickscale_stripe.billing import (
    adoption,
    bills,
    checkout,
    customers,
    invoices,
    money_back,
    plan_changes,
    portal,
    refunds,
    sessions,
    subscriptions,
)
from quickscale_stripe.catalogue import mirror, publishing
from quickscale_stripe.catalogue.publishing import PriceFields, ProductFields
from quickscale_stripe.events.reconcile import reconcile
from quickscale_stripe.management.commands import (
    check_webhook_endpoints,
    create_webhook_endpoint,
)
from quickscale_stripe.models import Payment
from quickscale_stripe_sandbox import Sandbox
from quickscale_stripe_sandbox.internal import thin
from quickscale_stripe_sandbox.internal.methods import find_method
from quickscale_stripe_sandbox.operations import payments
from quickscale_stripe_sandbox.operations.payment_methods import method_from
from quickscale_stripe_sandbox.operations.portal import save_method
from quickscale_stripe_sandbox.recording import MONEY, Recorded, RecordingHTTPClient
from tests.owners import make_owner
from tests.quickscale_stripe.conftest import UseClient
from tests.quickscale_stripe.proof.world import World
from tests.quickscale_stripe.shopping import charge_of
from tests.quickscale_stripe.test_webhooks import post

pytestmark = pytest.mark.django_db

PACKAGE = Path(quickscale_stripe.__file__).parent
URLS = {"success_url": "http://testserver/done/", "cancel_url": "http://testserver/back/"}


class TracingHTTPClient(RecordingHTTPClient):
    """Also notes which functions of the app made a request, as :func:`callers` names them."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        self.callers: set[str] = set()

    def request(self, *args: Any, **kwargs: Any) -> Any:
        frame = sys._getframe()
        while back := frame.f_back:
            frame = back
            path = Path(frame.f_code.co_filename)
            if path.is_relative_to(PACKAGE):
                self.callers.add(f"{path.relative_to(PACKAGE).as_posix()}:{frame.f_code.co_name}")
        return super().request(*args, **kwargs)


@pytest.fixture
def tracing(shop: Sandbox, use_client: UseClient) -> TracingHTTPClient:
    """The client of all requests, each of which is checked against the SDK."""
    client = TracingHTTPClient(shop)
    use_client(client)
    return client


@pytest.fixture
def recorded(tracing: TracingHTTPClient) -> list[Recorded]:
    return tracing.requests


@pytest.fixture
def world(recorded: list[Recorded], shop: Sandbox, owner: Any) -> World:
    return World(shop, owner)


# Every operation ---------------------------------------------------------------------------------


def callers() -> set[str]:
    """Return ``file:function`` for each function of the app that sends a request to Stripe."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        name = path.relative_to(PACKAGE).as_posix()
        if name.startswith("sandbox/") or name == "client.py":
            continue
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef) and any(
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id == "get_client"
                for node in ast.walk(function)
            ):
                found.add(f"{name}:{function.name}")
    return found


def change(world: World, subscription_id: str, plan: str, interval: str = "month") -> None:
    row, price = world.known(subscription_id), world.price(plan, interval)
    shown = plan_changes.preview(subscription=row, price=price)
    plan_changes.change(subscription=row, price=price, token=shown.token)


def publish_everything() -> None:
    for product_id in mirror.product_ids():
        mirror.sync_with_prices(product_id)
    named = ProductFields(name="Gallery pack", images=("https://example.com/g.png",))
    product = publishing.create_product(fields=named, reference="1", product_id="gallery")
    described = ProductFields(name="Gallery", description="For exhibitions.", features=("Wide",))
    product = publishing.update_product(product=product, fields=described)
    monthly = PriceFields(
        currency="jpy", unit_amount=500, interval="month", lookup_key="gallery",
        credits=Decimal(100), credits_interval="period",
    )  # fmt: skip
    price = publishing.create_price(product=product, fields=monthly, reference="1")
    price = publishing.update_price(
        price=price, fields=replace(monthly, nickname="Gallery", lookup_key="g"), reference="2"
    )
    price = publishing.update_price(
        price=price, fields=replace(monthly, unit_amount=600), reference="3"
    )
    publishing.set_active(row=price, active=False)
    publishing.set_active(row=product, active=False)


def do_everything(world: World) -> None:
    """Call each public function that reaches Stripe, in each of its variants."""
    shop, owner = world.sandbox, world.owner
    list(mirror.sync_all())
    package = world.price("Starter pack")
    mirror.sync_product(package.product.stripe_id)
    package = mirror.sync_price(package.stripe_id) or package
    publish_everything()

    customer = customers.ensure(owner)
    owner.email = "other@example.com"
    owner.save()
    customer = customers.ensure(owner)
    customers.sync(customer.stripe_id or "")
    world.client.v1.customers.delete(customer.stripe_id or "")
    portal.open_portal(owner=customers.ensure(owner).owner, return_url="http://testserver/")

    session = checkout.buy(owner=owner, price=package, reference="1", **URLS)
    shop.pay(session.id)
    payment = sessions.sync(session.id)
    assert payment
    refund = shop.refund(charge_of(payment), amount=100)
    money_back.sync_refund(refund)
    refunds.refund(payment=payment, reference="1", amount=50, reason="duplicate", actor=owner)
    money_back.sync_refunds_of(charge_of(payment))
    money_back.sync_dispute(shop.dispute(charge_of(payment)))

    with shop.world() as there:
        by_hand = payments.new_intent(there, 500, "usd", customer=customers.ensure(owner).stripe_id)
        payments.confirm(there, by_hand, method_from(there, "pm_card_visa"))
    assert money_back.sync_refund(shop.refund(by_hand["latest_charge"])) is None

    for reference, plan in (("2", "Pro plan"), ("3", "Basic plan")):
        session = checkout.subscribe(
            owner=owner, price=world.price(plan), reference=reference, **URLS
        )
    shop.pay(session.id)
    paid = sessions.sync(session.id)
    assert paid
    assert paid.subscription
    invoices.sync(paid.invoice_id or "")
    subscriptions.sync_all_of(customers.ensure(owner))
    subscription = paid.subscription.stripe_id
    portal.update_payment_method(owner=owner, return_url="http://testserver/")
    customer = customers.ensure(owner)
    with shop.world() as there:
        save_method(there, customer.stripe_id or "", find_method("card"))
    shop.deliver()
    gone = customers.ensure(make_owner("gone@example.com")).stripe_id or ""
    world.client.v1.customers.delete(gone)
    customers.sync(gone)
    other = make_owner("bob@example.com")
    free = world.client.v1.customers.create({}).id
    adoption.adopt(owner=other, stripe_id=free, take_over=True)
    world.client.v1.customers.create({"email": "eve@example.com"})
    adoption.only_match("eve@example.com")
    list(adoption.matches())
    change(world, subscription, "Pro plan")
    change(world, subscription, "Basic plan")
    subscriptions.cancel_at_period_end(world.known(subscription))
    subscriptions.reactivate(world.known(subscription))
    world.cancel_in_portal(subscription)
    subscriptions.reactivate(world.known(subscription))
    change(world, subscription, "Pro plan", "year")
    subscriptions.cancel_now(world.known(subscription))

    for event in shop.events("charge.refunded"):
        post(thin.notification(event))
    list(reconcile(since=timezone.now() - timedelta(days=1)))
    call_command(create_webhook_endpoint.Command(), "https://example.com/stripe/webhook/")
    call_command(check_webhook_endpoints.Command(), "https://example.com/stripe/webhook/")
    call_command("sync_customers")
    forgotten = make_owner("forgotten@example.com")
    customers.ensure(forgotten)
    forget_owner(forgotten)


def test_every_function_that_asks_stripe_is_checked_against_the_sdk(
    world: World, tracing: TracingHTTPClient, settings: Any
) -> None:
    """The recording client checks version, parameters, responses and keys of each request."""
    settings.QUICKSCALE_STRIPE_ALLOW_PROMOTION_CODES = True
    settings.QUICKSCALE_STRIPE_TAX_ID_COLLECTION = True
    do_everything(world)
    # It needs an invoice with more lines than the invoice itself contains.
    assert callers() - tracing.callers == {"billing/bills.py:_lines"}
    # Stripe refuses only requests that name a deleted customer, one of ``sync`` and of its event.
    requests = tracing.requests
    refused = [request.path.rpartition("/")[0] for request in requests if request.status != 200]
    assert refused == ["/v1/billing_portal", "/v1/customers", "/v1/customers"]
    assert len([one for one in requests if MONEY.fullmatch(one.path) and one.method == "POST"]) > 6


#: The resources of a restricted key that allow a path, and a part of a response.
RESOURCES = {
    "/v1/billing_portal/": "Customer Portal",
    "/v1/charges": "Charges and Refunds",
    "/v1/checkout/sessions": "Checkout Sessions",
    "/v1/customers": "Customers",
    "/v1/disputes": "Disputes",
    "/v1/events": "Events",
    "/v1/invoice": "Invoices",
    "/v1/payment_intents": "Payment Intents",
    "/v1/payment_methods": "Payment Methods",
    "/v1/prices": "Prices",
    "/v1/products": "Products",
    "/v1/refunds": "Charges and Refunds",
    "/v1/subscription_schedules": "Subscription Schedules",
    "/v1/subscriptions": "Subscriptions",
    "/v1/webhook_endpoints": "Webhook Endpoints",
    "/v2/core/events": "Events",
}
EXPANDED = {
    "charge": "Charges and Refunds",
    "coupon": "Coupons",
    "default_payment_method": "Payment Methods",
    "latest_charge": "Charges and Refunds",
    "payment_intent": "Payment Intents",
    "payment_method": "Payment Methods",
    "payments": "Invoices",
    "product": "Products",
    "schedule": "Subscription Schedules",
    "subscription": "Subscriptions",
    "subscriptions": "Subscriptions",
}
NO_RESOURCE = {
    "currency_options", "data", "discounts", "invoice_settings", "line_items", "parent", "payment",
    "source", "subscription_details",
}  # fmt: skip


def test_a_restricted_key_needs_exactly_the_permissions_of_the_docs(
    world: World, recorded: list[Recorded]
) -> None:
    do_everything(world)
    needed: dict[str, str] = {}
    for request in recorded:
        [name] = {resource for path, resource in RESOURCES.items() if request.path.startswith(path)}
        writes = request.method != "GET"
        needed[name] = "Write" if writes or needed.get(name) == "Write" else "Read"
        for field in request.params.get("expand", {}).values():
            for part in set(field.split(".")) - NO_RESOURCE:
                needed.setdefault(EXPANDED[part], "Read")
    page = (Path(__file__).parents[3] / "docs" / "reference" / "stripe-permissions.md").read_text()
    listed = dict(re.findall(r"^\| (.+) \| (Read|Write) \|$", page, re.MULTILINE))
    assert listed == needed
    assert list(listed) == sorted(listed)


def test_the_lines_of_a_long_invoice_are_fetched(
    world: World, recorded: list[Recorded], monkeypatch: pytest.MonkeyPatch
) -> None:
    world.subscribe()
    [invoice] = world.client.v1.invoices.list().data
    invoice.lines.has_more = True
    assert [line.quantity for line in bills.with_lines(invoice, mirror.Prices()).lines] == [1]
    assert recorded[-1].path == f"/v1/invoices/{invoice.id}/lines"


# Keys --------------------------------------------------------------------------------------------


def buying(world: World) -> Callable[[], object]:
    price = world.price("Starter pack")
    return lambda: checkout.buy(owner=world.owner, price=price, reference="r", **URLS)


def subscribing(world: World) -> Callable[[], object]:
    price = world.price("Basic plan")
    return lambda: checkout.subscribe(owner=world.owner, price=price, reference="r", **URLS)


def upgrading(world: World) -> Callable[[], object]:
    row, price = world.known(world.subscribe()), world.price("Pro plan")
    token = plan_changes.preview(subscription=row, price=price).token
    return lambda: plan_changes.change(subscription=row, price=price, token=token)


def downgrading(world: World) -> Callable[[], object]:
    row, price = world.known(world.subscribe("Pro plan")), world.price("Basic plan")
    token = plan_changes.preview(subscription=row, price=price).token
    return lambda: plan_changes.change(subscription=row, price=price, token=token)


def canceling(world: World) -> Callable[[], object]:
    row = world.known(world.subscribe())
    return lambda: subscriptions.cancel_at_period_end(row)


def reactivating(world: World) -> Callable[[], object]:
    row = subscriptions.cancel_at_period_end(world.known(world.subscribe()))
    assert row
    return lambda: subscriptions.reactivate(row)


def refunding(world: World) -> Callable[[], object]:
    world.buy()
    world.sandbox.deliver()
    payment = Payment.objects.get()
    return lambda: refunds.refund(payment=payment, reference="r", amount=100)


@pytest.mark.parametrize(
    "begin", [buying, subscribing, upgrading, downgrading, canceling, reactivating, refunding]
)
def test_pressed_twice_it_is_one_request(
    world: World, recorded: list[Recorded], begin: Callable[[World], Callable[[], object]]
) -> None:
    """Key and parameters are the same, so Stripe gives its first answer again.

    Where the site knows that it is done, it sends no request.
    """
    press = begin(world)

    def money() -> list[tuple[str, dict[str, Any], str | None]]:
        recorded.clear()
        press()
        posts = [one for one in recorded if one.method == "POST" and MONEY.fullmatch(one.path)]
        return [(one.path, one.params, one.idempotency_key) for one in posts]

    first = money()
    charges = len(world.sandbox.events("charge.succeeded"))
    assert first
    assert money() in (first, [])
    assert len(world.sandbox.events("charge.succeeded")) == charges


def test_two_purchases_have_two_keys(world: World, recorded: list[Recorded]) -> None:
    price = world.price("Starter pack")
    ids = {
        checkout.buy(owner=world.owner, price=price, reference=reference, **URLS).id
        for reference in ("a", "b", "a")
    }
    assert len(ids) == 2
