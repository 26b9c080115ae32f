"""Every handler processes Stripe's own sample objects in each of their states."""

from __future__ import annotations

import json
import typing
from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import stripe
from django.db import transaction
from django.utils import timezone

from quickscale_stripe.billing import customers
from quickscale_stripe.events.handlers import HANDLERS
from quickscale_stripe.models import (
    Charge,
    Dispute,
    Payment,
    Refund,
    StripeEvent,
    StripePrice,
    StripeProduct,
    Subscription,
)
from quickscale_stripe_sandbox import Sandbox
from tests.quickscale_stripe.conftest import UseClient
from tests.quickscale_stripe.test_webhooks import post, snapshot

FIXTURES = Path(__file__).resolve().parents[4] / "shared" / "stripe" / "fixtures3.json"

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(
        not FIXTURES.exists(), reason=f"needs fixtures3.json of stripe/openapi at {FIXTURES}"
    ),
]

Object = dict[str, Any]

#: The start of an event's type -> the kind of its object.
KINDS = {
    "charge.dispute.": "dispute",
    "charge.refunded": "charge",
    "checkout.session.": "checkout.session",
    "customer.subscription.": "subscription",
    "customer.": "customer",
    "invoice.": "invoice",
    "payment_method.": "payment_method",
    "price.": "price",
    "product.": "product",
    "refund.": "refund",
}
#: The path at which each kind is fetched.
PATHS = {
    "/v1/charges/": "charge",
    "/v1/checkout/sessions/": "checkout.session",
    "/v1/customers/": "customer",
    "/v1/disputes/": "dispute",
    "/v1/invoices/": "invoice",
    "/v1/payment_methods/": "payment_method",
    "/v1/prices/": "price",
    "/v1/products/": "product",
    "/v1/refunds/": "refund",
    "/v1/setup_intents/": "setup_intent",
    "/v1/subscriptions/": "subscription",
}
#: The kind of object in a field that has only an id, or nothing, until it is expanded.
EXPANDED = {
    "charge": "charge",
    "default_payment_method": "payment_method",
    "latest_charge": "charge",
    "line_items": ["item"],
    "payment_intent": "payment_intent",
    "payments": ["invoice_payment"],
    "product": "product",
    "schedule": "subscription_schedule",
    "subscription": "subscription",
    "subscriptions": ["subscription"],
}


def kind_of(event_type: str) -> str:
    return next(kind for prefix, kind in KINDS.items() if event_type.startswith(prefix))


def values_of(cls: type, field: str) -> list[str]:
    """Return the values that the SDK declares for an enumeration, without the open end."""
    members = typing.get_args(cls.__annotations__[field])
    return [value for member in members for value in typing.get_args(member)]


class Samples(stripe.HTTPClient):
    """A stand-in for Stripe with one object of each kind, whatever the id."""

    name = "samples"

    def __init__(self, objects: dict[str, Object]) -> None:
        super().__init__()
        self.objects = objects

    def request(
        self, method: str, url: str, headers: Any, post_data: Any = None, **_: Any
    ) -> tuple[str, int, Mapping[str, str]]:
        parts = urlsplit(url)
        query = parse_qsl(parts.query)
        paths = [value.split(".") for key, value in query if key.startswith("expand")]
        prefix, _slash, found_id = parts.path.rpartition("/")
        kind = PATHS.get(f"{prefix}/") or PATHS[f"{parts.path}/"]
        # A handler only sets the payment method that a Checkout saved.
        sets = kind in ("customer", "subscription")
        assert method.lower() == "get" or sets, f"{method} {url}"
        value = deepcopy(self.objects[kind])
        if f"{prefix}/" not in PATHS:
            value = {"object": "list", "data": [value], "has_more": False, "url": parts.path}
        elif found_id.startswith(("in_", "sub_", "price_", "prod_")):
            value["id"] = found_id
        for path in paths:
            self.expand(value, path)
        return json.dumps(value), 200, {}

    def expand(self, value: Any, path: list[str]) -> None:
        if isinstance(value, list):
            for member in value:
                self.expand(member, path)
        elif path and value is not None:
            name, *rest = path
            kind = EXPANDED.get(name)
            if isinstance(kind, list):
                data = [deepcopy(self.objects[kind[0]])]
                value[name] = {"object": "list", "data": data, "has_more": False, "url": "/v1/x"}
            elif kind and isinstance(value.get(name), str):
                value[name] = deepcopy(self.objects[kind])
            self.expand(value.get(name), rest)

    def close(self) -> None:
        """Do nothing, as there is no connection."""


@pytest.fixture
def samples(sandbox: Sandbox, owner: Any, use_client: UseClient) -> dict[str, Object]:
    """Stripe's samples, changed to belong to one owner and to have a valid period."""
    customer = customers.ensure(owner)
    found: dict[str, Object] = json.loads(FIXTURES.read_text())["resources"]
    use_client(Samples(found))
    for kind in ("charge", "checkout.session", "invoice", "payment_intent", "refund",
                 "subscription", "payment_method"):  # fmt: skip
        found[kind]["customer"] = customer.stripe_id
    found["customer"]["id"] = customer.stripe_id
    for kind in ("product", "price"):
        found[kind]["metadata"] = {"credits": "10"}
    found["invoice"]["status"] = "open"  # a draft is ignored
    found["invoice_payment"]["payment"] = {"payment_intent": "pi_1", "type": "payment_intent"}
    found["subscription"]["metadata"] = customers.metadata_for(customer)
    for item in found["subscription"]["items"]["data"]:
        item["current_period_end"] = item["current_period_start"] + 86400 * 30
    return found


def handle(event_type: str, samples: dict[str, Object]) -> StripeEvent:
    about = {"id": samples[kind_of(event_type)]["id"], "object": kind_of(event_type)}
    post(snapshot(type=event_type, data={"object": about}))
    return StripeEvent.objects.get()


def known_payment(samples: dict[str, Object], owner: Any) -> Payment:
    """Create the payment that a refund, a charge or a dispute belongs to."""
    payment = Payment.objects.create(
        owner=owner, kind="one_time", total=1000, amount=1000, currency="usd", credits=10,
        created_at=timezone.now(), paid_at=timezone.now(), receipt_number="R1",
    )  # fmt: skip
    Charge.objects.create(
        payment=payment, payment_intent_id="pi_0", charge_id=samples["charge"]["id"], amount=1000
    )
    return payment


def states(kind: str) -> Iterator[tuple[str, Object]]:
    """Yield the name and the fields of each state that an object of this kind can be in."""
    yield "sample", {}
    if kind == "checkout.session":
        for mode in values_of(stripe.checkout.Session, "mode"):
            for paid in values_of(stripe.checkout.Session, "payment_status"):
                fields = {"status": "complete", "mode": mode, "payment_status": paid,
                          "payment_intent": "pi_1" if mode == "payment" else None,
                          "setup_intent": "seti_1" if mode == "setup" else None,
                          "subscription": "sub_1" if mode == "subscription" else None,
                          "invoice": "in_1" if mode == "subscription" else None,
                          "currency": "usd", "amount_total": 1000}  # fmt: skip
                yield f"{mode}, {paid}", fields
        for status in ("open", "expired"):
            yield status, {"status": status}
    elif kind == "invoice":
        for status in values_of(stripe.Invoice, "status"):
            for reason in values_of(stripe.Invoice, "billing_reason"):
                yield f"{status}, {reason}", {"status": status, "billing_reason": reason}
    elif kind in ("subscription", "dispute"):
        cls = {"subscription": stripe.Subscription, "dispute": stripe.Dispute}[kind]
        for status in values_of(cls, "status"):
            yield status, {"status": status}
        if kind == "subscription":
            yield "with a schedule", {"schedule": "sub_sched_1"}
            yield "without items", {"items": {"object": "list", "data": [], "has_more": False,
                                              "url": "/v1/x"}}  # fmt: skip
    elif kind == "refund":
        for refund_status in Refund.Status.values:
            yield refund_status, {"status": refund_status, "failure_reason": "unknown"}
    elif kind == "customer":
        yield "no name", {"name": None, "email": None}
    elif kind == "price":
        yield "tiers", {"billing_scheme": "tiered", "unit_amount": None}
        yield "once", {"recurring": None, "type": "one_time"}
        yield "inactive", {"active": False}
    elif kind == "product":
        yield "inactive", {"active": False, "description": None}


def outcome(kind: str, samples: dict[str, Object]) -> str:
    """Return the event's expected status: a Checkout without a payment is ignored."""
    session = samples["checkout.session"]
    if kind == "checkout.session" and (
        session["status"] != "complete" or session["mode"] == "setup"
    ):
        return "ignored"
    return "processed"


@pytest.mark.parametrize("event_type", sorted(HANDLERS))
def test_the_sample_by_each_type_of_event(
    samples: dict[str, Object], owner: Any, event_type: str
) -> None:
    if kind_of(event_type) in ("charge", "dispute", "refund"):
        known_payment(samples, owner)
    event = handle(event_type, samples)
    assert event.status == outcome(kind_of(event_type), samples), event.error


@pytest.mark.parametrize("kind", sorted(set(KINDS.values())))
def test_the_sample_in_every_state(samples: dict[str, Object], owner: Any, kind: str) -> None:
    """The handler reads only fields that the SDK declares, and can handle every state."""
    event_type = next(name for name in sorted(HANDLERS) if kind_of(name) == kind)
    sample = samples[kind]
    for name, fields in states(kind):
        samples[kind] = sample | fields
        with transaction.atomic():
            if kind in ("charge", "dispute", "refund"):
                known_payment(samples, owner)
            event = handle(event_type, samples)
            assert event.status == outcome(kind, samples), (name, event.error)
            check(kind, samples[kind], name)
            transaction.set_rollback(True)


def check(kind: str, sample: Object, name: str) -> None:
    """Check that the site's row agrees with Stripe's object."""
    if kind == "subscription":
        assert Subscription.objects.get().status == sample["status"], name
    elif kind == "dispute":
        assert Dispute.objects.get().status == sample["status"], name
    elif kind == "refund":
        assert Refund.objects.get().status == sample["status"], name
    elif kind == "price":
        assert StripePrice.objects.get().unit_amount == sample["unit_amount"], name
    elif kind == "product":
        assert StripeProduct.objects.get().active == sample["active"], name
    elif kind == "invoice" and sample["status"] != "draft":
        payment = Payment.objects.get()
        assert payment.is_paid == (sample["status"] == "paid"), name
        assert payment.total == sample["total"], name
    elif kind == "checkout.session" and sample["status"] == "complete":
        payment_status = Payment.objects.values_list("status", flat=True).first()
        if sample["mode"] == "payment" and sample["payment_status"] != "unpaid":
            assert payment_status == "succeeded", name


def test_the_statuses_of_the_sdk_are_those_of_the_models() -> None:
    """So a status that Stripe adds is noticed with the next SDK, not in production."""
    assert set(Subscription.Status.values) == set(values_of(stripe.Subscription, "status"))
    longest = max(map(len, values_of(stripe.Dispute, "status")))
    assert longest <= (Dispute._meta.get_field("status").max_length or 0)
    for cls, model, field in (
        (stripe.Refund, Refund, "reason"),
        (stripe.Price.Recurring, StripePrice, "interval"),
    ):
        most = max(map(len, values_of(cls, field)))
        assert most <= (model._meta.get_field(field).max_length or 0)
