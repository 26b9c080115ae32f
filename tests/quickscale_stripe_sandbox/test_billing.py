"""Subscriptions: invoices, renewals, changes and cancellations."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from itertools import count, pairwise
from typing import Any

import pytest
import stripe

from quickscale_stripe_sandbox import Sandbox
from quickscale_stripe_sandbox.internal.periods import next_end, shift

from .conftest import open_session

DAY = 86400


@pytest.fixture
def plans(client: stripe.StripeClient) -> dict[str, stripe.Price]:
    """Prices by name: basic and pro by the month, basic by the year."""
    made = {}
    for name, amount, interval in (
        ("basic", 1000, "month"),
        ("pro", 3000, "month"),
        ("yearly", 10000, "year"),
    ):
        product = client.v1.products.create({"name": name})
        made[name] = client.v1.prices.create(
            {
                "product": product.id,
                "unit_amount": amount,
                "currency": "usd",
                "recurring": {"interval": interval},  # type: ignore[typeddict-item]
            }
        )
    return made


@pytest.fixture
def customer(client: stripe.StripeClient) -> stripe.Customer:
    return customer_with(client, "pm_card_visa")


def customer_with(client: stripe.StripeClient, token: str) -> stripe.Customer:
    customer = client.v1.customers.create({"email": "ada@example.com"})
    method = client.v1.payment_methods.attach(token, {"customer": customer.id})
    return client.v1.customers.update(
        customer.id, {"invoice_settings": {"default_payment_method": method.id}}
    )


def subscribe(
    client: stripe.StripeClient, customer: stripe.Customer, price: stripe.Price, **params: Any
) -> Any:
    return client.v1.subscriptions.create(
        {"customer": customer.id, "items": [{"price": price.id}], **params}
    )


def change(subscription: Any, price: stripe.Price, **params: Any) -> Any:
    item = subscription.items.data[0].id
    return {"items": [{"id": item, "price": price.id}], **params}


def invoices_of(client: stripe.StripeClient, subscription: Any) -> list[Any]:
    """Return the invoices with their payments, the oldest first."""
    listed = client.v1.invoices.list({"subscription": subscription.id, "expand": ["data.payments"]})
    return listed.data[::-1]


def types(sandbox: Sandbox) -> list[str]:
    return [event["type"] for event in sandbox.events()]


def test_a_subscription_begins_at_one_time(
    sandbox: Sandbox,
    client: stripe.StripeClient,
    customer: stripe.Customer,
    plans: dict[str, stripe.Price],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where seconds pass while it is made, no period lasts only those seconds."""
    seconds = count(int(time.time()))
    monkeypatch.setattr(time, "time", lambda: float(next(seconds)))
    made = subscribe(client, customer, plans["basic"])
    monkeypatch.undo()
    sandbox.advance(days=32)
    assert len(invoices_of(client, made)) == 2


def test_months_end_on_the_day_they_began_or_on_the_last_day() -> None:
    january = int(datetime(2027, 1, 31, 12, tzinfo=UTC).timestamp())
    ends = [january]
    for _ in range(3):
        ends.append(next_end(january, ends[-1], "month", 1))
    assert [f"{datetime.fromtimestamp(end, UTC):%m-%d}" for end in ends] == [
        "01-31",
        "02-28",
        "03-31",
        "04-30",
    ]
    assert shift(january, "week", 2) - january == 14 * DAY
    leap = int(datetime(2028, 2, 29, tzinfo=UTC).timestamp())
    assert datetime.fromtimestamp(shift(leap, "year", 1), UTC).day == 28


def test_a_subscription_begins_with_a_paid_invoice(
    client: stripe.StripeClient, customer: Any, plans: Any, sandbox: Sandbox
) -> None:
    subscription = subscribe(client, customer, plans["basic"], metadata={"a": "b"})
    assert subscription.status == "active"
    [item] = subscription.items.data
    assert item.current_period_end == shift(item.current_period_start, "month", 1)
    [invoice] = invoices_of(client, subscription)
    assert (invoice.status, invoice.billing_reason) == ("paid", "subscription_create")
    assert (invoice.amount_paid, invoice.amount_remaining) == (1000, 0)
    assert invoice.id == subscription.latest_invoice
    details = invoice.parent.subscription_details
    assert (details.subscription, details.metadata.to_dict()) == (subscription.id, {"a": "b"})
    [line] = invoice.lines.data
    assert line.pricing.price_details.price == plans["basic"].id
    assert line.parent.subscription_item_details.proration is False
    assert line.period.end == item.current_period_end
    [payment] = invoice.payments.data
    intent_id = payment.payment.payment_intent
    found = client.v1.invoice_payments.list(
        {"payment": {"type": "payment_intent", "payment_intent": intent_id}}
    )
    assert [row.invoice for row in found.data] == [invoice.id]
    assert client.v1.payment_intents.retrieve(intent_id).status == "succeeded"
    assert [name for name in types(sandbox) if name.startswith(("invoice", "customer.sub"))] == [
        "customer.subscription.created",
        "invoice.created",
        "invoice.finalized",
        "invoice_payment.paid",
        "invoice.paid",
        "invoice.payment_succeeded",
        "customer.subscription.updated",
    ]


def test_renewals(client: stripe.StripeClient, customer: Any, plans: Any, sandbox: Sandbox) -> None:
    subscription = subscribe(client, customer, plans["basic"])
    first = subscription.items.data[0]
    sandbox.advance(days=95)
    made = invoices_of(client, subscription)
    assert [invoice.billing_reason for invoice in made] == [
        "subscription_create",
        *["subscription_cycle"] * 3,
    ]
    periods = [invoice.lines.data[0].period for invoice in made]
    assert periods[0].start == first.current_period_start
    assert all(one.end == two.start for one, two in pairwise(periods))
    assert all(invoice.created == invoice.lines.data[0].period.start for invoice in made)
    assert client.v1.subscriptions.retrieve(subscription.id).status == "active"


def test_a_failed_renewal_recovers(
    client: stripe.StripeClient, plans: Any, sandbox: Sandbox
) -> None:
    customer = customer_with(client, "pm_card_sandboxWorksOnce")
    subscription = subscribe(client, customer, plans["basic"])
    assert subscription.status == "active"
    sandbox.advance(days=32)
    assert client.v1.subscriptions.retrieve(subscription.id).status == "past_due"
    invoice = invoices_of(client, subscription)[-1]
    assert (invoice.status, invoice.attempt_count) == ("open", 1)
    assert invoice.next_payment_attempt == invoice.created + 3 * DAY
    assert len(sandbox.events("invoice.payment_failed")) == 1
    with pytest.raises(stripe.CardError):
        client.v1.invoices.pay(invoice.id)
    paid = client.v1.invoices.pay(invoice.id, {"payment_method": "pm_card_visa"})
    assert paid.status == "paid"
    assert client.v1.subscriptions.retrieve(subscription.id).status == "active"


def test_a_failed_renewal_ends_the_subscription_in_the_end(
    client: stripe.StripeClient, plans: Any, sandbox: Sandbox
) -> None:
    customer = customer_with(client, "pm_card_sandboxWorksOnce")
    subscription = subscribe(client, customer, plans["basic"])
    sandbox.advance(days=31 + 16)
    ended = client.v1.subscriptions.retrieve(subscription.id)
    assert (ended.status, ended.cancellation_details.reason) == ("canceled", "payment_failed")  # type: ignore[union-attr]
    assert len(sandbox.events("invoice.payment_failed")) == 4
    assert len(sandbox.events("customer.subscription.deleted")) == 1
    sandbox.advance(days=40)
    assert len(invoices_of(client, subscription)) == 2


@pytest.mark.parametrize("behavior", ["allow_incomplete", "default_incomplete"])
def test_a_missing_first_payment(
    client: stripe.StripeClient, plans: Any, sandbox: Sandbox, behavior: str
) -> None:
    customer = customer_with(client, "pm_card_chargeDeclined")
    subscription = subscribe(client, customer, plans["basic"], payment_behavior=behavior)
    assert subscription.status == "incomplete"
    sandbox.advance(days=1)
    assert client.v1.subscriptions.retrieve(subscription.id).status == "incomplete_expired"
    assert invoices_of(client, subscription)[0].status == "void"


def test_an_error_leaves_no_subscription_behind(client: stripe.StripeClient, plans: Any) -> None:
    customer = customer_with(client, "pm_card_chargeDeclined")
    with pytest.raises(stripe.CardError):
        subscribe(client, customer, plans["basic"], payment_behavior="error_if_incomplete")
    assert client.v1.subscriptions.list({"status": "all"}).data == []
    nobody = client.v1.customers.create({})
    with pytest.raises(stripe.InvalidRequestError, match="no attached payment source"):
        subscribe(client, nobody, plans["basic"])


def test_a_trial_ends_with_a_first_payment(
    client: stripe.StripeClient, customer: Any, plans: Any, sandbox: Sandbox
) -> None:
    subscription = subscribe(client, customer, plans["basic"], trial_period_days=14)
    assert subscription.status == "trialing"
    assert subscription.items.data[0].current_period_end == subscription.trial_end
    assert invoices_of(client, subscription)[0].amount_paid == 0
    sandbox.advance(days=12)
    assert len(sandbox.events("customer.subscription.trial_will_end")) == 1
    sandbox.advance(days=3)
    after = client.v1.subscriptions.retrieve(subscription.id)
    assert after.status == "active"
    assert after.items.data[0].current_period_start == subscription.trial_end  # type: ignore[attr-defined]
    assert [invoice.amount_paid for invoice in invoices_of(client, subscription)] == [0, 1000]


@pytest.mark.parametrize(("behavior", "status"), [("cancel", "canceled"), ("pause", "paused")])
def test_a_trial_without_a_payment_method(
    client: stripe.StripeClient, plans: Any, sandbox: Sandbox, behavior: str, status: str
) -> None:
    customer = client.v1.customers.create({})
    subscription = subscribe(
        client,
        customer,
        plans["basic"],
        trial_period_days=1,
        trial_settings={"end_behavior": {"missing_payment_method": behavior}},
    )
    sandbox.advance(days=2)
    assert client.v1.subscriptions.retrieve(subscription.id).status == status


def test_an_upgrade_is_charged_by_the_second_as_the_preview_said(
    client: stripe.StripeClient, customer: Any, plans: Any, sandbox: Sandbox
) -> None:
    subscription = subscribe(client, customer, plans["basic"])
    item = subscription.items.data[0]
    middle = (item.current_period_start + item.current_period_end) // 2
    sandbox.advance(seconds=middle - item.current_period_start)
    wanted = change(subscription, plans["pro"], proration_behavior="always_invoice")
    wanted["proration_date"] = middle
    preview = client.v1.invoices.create_preview(
        {"subscription": subscription.id, "subscription_details": wanted}
    )
    assert preview.id.startswith("upcoming_in_")
    assert [line.amount for line in preview.lines.data] == [-500, 1500]
    assert len(invoices_of(client, subscription)) == 1
    updated = client.v1.subscriptions.update(
        subscription.id, {**wanted, "payment_behavior": "pending_if_incomplete"}
    )
    assert updated.items.data[0].price.id == plans["pro"].id  # type: ignore[attr-defined]
    assert updated.items.data[0].id == item.id  # type: ignore[attr-defined]
    invoice = invoices_of(client, subscription)[-1]
    assert (invoice.billing_reason, invoice.amount_paid) == (
        "subscription_update",
        preview.amount_due,
    )
    assert all(line.parent.subscription_item_details.proration for line in invoice.lines.data)


def test_a_declined_upgrade_leaves_the_old_plan(
    client: stripe.StripeClient, plans: Any, sandbox: Sandbox
) -> None:
    customer = customer_with(client, "pm_card_sandboxWorksOnce")
    subscription = subscribe(client, customer, plans["basic"])
    wanted = change(subscription, plans["pro"], proration_behavior="always_invoice")
    wanted["payment_behavior"] = "pending_if_incomplete"
    tried = client.v1.subscriptions.update(subscription.id, wanted)
    assert (tried.status, tried.items.data[0].price.id) == ("active", plans["basic"].id)  # type: ignore[attr-defined]
    assert tried.pending_update
    assert isinstance(tried.latest_invoice, str)
    client.v1.invoices.pay(tried.latest_invoice, {"payment_method": "pm_card_visa"})
    paid = client.v1.subscriptions.retrieve(subscription.id)
    assert paid.pending_update is None
    assert paid.items.data[0].price.id == plans["pro"].id  # type: ignore[attr-defined]
    assert len(sandbox.events("customer.subscription.pending_update_applied")) == 1


def test_a_declined_upgrade_is_forgotten_after_a_day(
    client: stripe.StripeClient, plans: Any, sandbox: Sandbox
) -> None:
    customer = customer_with(client, "pm_card_sandboxWorksOnce")
    subscription = subscribe(client, customer, plans["basic"])
    wanted = change(subscription, plans["pro"], proration_behavior="always_invoice")
    wanted["payment_behavior"] = "pending_if_incomplete"
    client.v1.subscriptions.update(subscription.id, wanted)
    sandbox.advance(days=1)
    after = client.v1.subscriptions.retrieve(subscription.id)
    assert after.pending_update is None
    assert after.items.data[0].price.id == plans["basic"].id  # type: ignore[attr-defined]
    assert invoices_of(client, subscription)[-1].status == "void"
    assert len(sandbox.events("customer.subscription.pending_update_expired")) == 1


def test_prorations_wait_for_the_next_invoice(
    client: stripe.StripeClient, customer: Any, plans: Any, sandbox: Sandbox
) -> None:
    subscription = subscribe(client, customer, plans["pro"])
    client.v1.subscriptions.update(subscription.id, change(subscription, plans["basic"]))
    assert len(invoices_of(client, subscription)) == 1
    sandbox.advance(days=32)
    invoice = invoices_of(client, subscription)[-1]
    assert [line.amount for line in invoice.lines.data] == [-3000, 1000, 1000]
    assert (invoice.total, invoice.amount_due, invoice.ending_balance) == (-1000, 0, -1000)
    sandbox.advance(days=31)
    invoice = invoices_of(client, subscription)[-1]
    assert (invoice.total, invoice.starting_balance, invoice.amount_due) == (1000, -1000, 0)


def test_another_interval_begins_a_new_period(
    client: stripe.StripeClient, customer: Any, plans: Any, sandbox: Sandbox
) -> None:
    subscription = subscribe(client, customer, plans["basic"])
    updated = client.v1.subscriptions.update(subscription.id, change(subscription, plans["yearly"]))
    item = updated.items.data[0]  # type: ignore[attr-defined]
    assert item.current_period_end == shift(item.current_period_start, "year", 1)
    invoice = invoices_of(client, subscription)[-1]
    full = invoice.lines.data[-1]
    assert (full.amount, full.parent.subscription_item_details.proration) == (10000, False)
    assert invoice.amount_paid == 9000


def test_a_downgrade_by_a_schedule_happens_at_the_end_of_the_period(
    client: stripe.StripeClient, customer: Any, plans: Any, sandbox: Sandbox
) -> None:
    subscription = subscribe(client, customer, plans["pro"])
    schedule = client.v1.subscription_schedules.create({"from_subscription": subscription.id})
    [phase] = schedule.phases
    client.v1.subscription_schedules.update(
        schedule.id,
        {
            "end_behavior": "release",
            "phases": [
                {
                    "items": [{"price": plans["pro"].id, "quantity": 1}],
                    "start_date": phase.start_date,
                    "end_date": phase.end_date,
                },
                {"items": [{"price": plans["basic"].id, "quantity": 1}]},
            ],
        },
    )
    before = client.v1.subscriptions.retrieve(subscription.id)
    assert before.schedule == schedule.id
    assert before.items.data[0].price.id == plans["pro"].id  # type: ignore[attr-defined]
    sandbox.advance(days=32)
    after = client.v1.subscriptions.retrieve(subscription.id)
    assert after.items.data[0].price.id == plans["basic"].id  # type: ignore[attr-defined]
    assert after.schedule == schedule.id
    assert invoices_of(client, subscription)[-1].amount_paid == 1000
    sandbox.advance(days=31)
    assert client.v1.subscriptions.retrieve(subscription.id).schedule is None
    assert invoices_of(client, subscription)[-1].amount_paid == 1000
    assert client.v1.subscription_schedules.retrieve(schedule.id).status == "released"


def test_cancelling_at_the_end_and_reactivating(
    client: stripe.StripeClient, customer: Any, plans: Any, sandbox: Sandbox
) -> None:
    subscription = subscribe(client, customer, plans["basic"])
    ending = client.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
    assert ending.cancel_at == subscription.items.data[0].current_period_end
    back = client.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": False})
    assert (back.cancel_at, back.canceled_at) == (None, None)
    ending = client.v1.subscriptions.update(subscription.id, {"cancel_at": "max_period_end"})
    back = client.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": False})
    assert (back.cancel_at, back.cancel_at_period_end) == (ending.cancel_at, False)
    assert client.v1.subscriptions.update(subscription.id, {"cancel_at": ""}).cancel_at is None
    client.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
    sandbox.advance(days=32)
    ended = client.v1.subscriptions.retrieve(subscription.id)
    assert (ended.status, ended.ended_at) == ("canceled", ending.cancel_at)
    assert len(invoices_of(client, subscription)) == 1
    assert client.v1.subscriptions.list().data == []


def test_cancelling_at_once(
    client: stripe.StripeClient, customer: Any, plans: Any, sandbox: Sandbox
) -> None:
    subscription = subscribe(client, customer, plans["basic"])
    assert client.v1.subscriptions.cancel(subscription.id).status == "canceled"
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.subscriptions.cancel(subscription.id)
    sandbox.advance(days=40)
    assert len(sandbox.events("customer.subscription.deleted")) == 1


def test_subscribing_by_checkout(client: stripe.StripeClient, plans: Any, sandbox: Sandbox) -> None:
    session = open_session(
        client,
        plans["basic"],
        mode="subscription",
        line_items=[{"price": plans["basic"].id, "quantity": 1}],
        subscription_data={"metadata": {"owner": "7"}},
    )
    assert sandbox.pay(session.id, "declined").error
    assert client.v1.subscriptions.list().data == []
    assert sandbox.pay(session.id, "card").url
    done = client.v1.checkout.sessions.retrieve(
        session.id, {"expand": ["subscription.latest_invoice.payments", "customer"]}
    )
    assert (done.status, done.payment_status, done.payment_intent) == ("complete", "paid", None)
    subscription: Any = done.subscription
    assert (subscription.status, subscription.metadata["owner"]) == ("active", "7")
    assert subscription.latest_invoice.status == "paid"
    assert subscription.latest_invoice.payments.data[0].status == "paid"
    assert len(client.v1.charges.list().data) == 2
    assert types(sandbox)[-1] == "checkout.session.completed"


def test_a_trial_by_checkout(client: stripe.StripeClient, plans: Any, sandbox: Sandbox) -> None:
    session = open_session(
        client,
        plans["basic"],
        mode="subscription",
        subscription_data={"trial_period_days": 7},
    )
    assert session.amount_total == 0
    assert sandbox.pay(session.id).url
    done = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["subscription"]})
    assert done.payment_status == "no_payment_required"
    assert done.subscription.status == "trialing"  # type: ignore[union-attr]
    sandbox.advance(days=8)
    assert invoices_of(client, done.subscription)[-1].amount_paid == 2000


def test_saving_a_method_by_checkout(client: stripe.StripeClient, sandbox: Sandbox) -> None:
    customer = client.v1.customers.create({"email": "ada@example.com"})
    session = client.v1.checkout.sessions.create(
        {
            "mode": "setup",
            "currency": "usd",
            "customer": customer.id,
            "success_url": "http://site.example/",
        }
    )
    assert sandbox.pay(session.id, "declined").error
    assert sandbox.pay(session.id, "card").url
    done = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["setup_intent"]})
    assert (done.status, done.payment_status) == ("complete", "no_payment_required")
    setup: Any = done.setup_intent
    assert setup.status == "succeeded"
    [method] = client.v1.customers.payment_methods.list(customer.id).data
    assert (method.id, method.customer) == (setup.payment_method, customer.id)


def test_a_manual_invoice(client: stripe.StripeClient, customer: Any) -> None:
    item = client.v1.invoice_items.create(
        {"customer": customer.id, "amount": 700, "currency": "usd", "description": "Extra"}
    )
    invoice = client.v1.invoices.create(
        {"customer": customer.id, "pending_invoice_items_behavior": "include"}
    )
    assert (invoice.status, invoice.total, invoice.parent) == ("draft", 700, None)
    paid = client.v1.invoices.pay(invoice.id)
    assert (paid.status, paid.billing_reason) == ("paid", "manual")
    [line] = client.v1.invoices.line_items.list(invoice.id).data
    assert line.parent
    assert line.parent.invoice_item_details
    assert line.parent.invoice_item_details.invoice_item == item.id


def test_voiding(client: stripe.StripeClient, plans: Any) -> None:
    customer = customer_with(client, "pm_card_chargeDeclined")
    subscription = subscribe(client, customer, plans["basic"])
    voided = client.v1.invoices.void_invoice(subscription.latest_invoice)
    assert voided.status == "void"
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.invoices.pay(voided.id)


def test_a_pause_ends_by_itself(
    client: stripe.StripeClient,
    plans: dict[str, stripe.Price],
    customer: stripe.Customer,
    sandbox: Sandbox,
) -> None:
    subscription = subscribe(client, customer, plans["basic"])
    resumes_at = subscription.start_date + 40 * DAY
    paused = client.v1.subscriptions.update(
        subscription.id, {"pause_collection": {"behavior": "void", "resumes_at": resumes_at}}
    )
    assert paused.pause_collection is not None
    sandbox.advance(days=32)
    assert client.v1.invoices.list().data[0].status == "void"
    sandbox.advance(days=10)
    assert client.v1.subscriptions.retrieve(subscription.id).pause_collection is None
    sandbox.advance(days=22)
    assert client.v1.invoices.list().data[0].status == "paid"
