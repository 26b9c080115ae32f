"""The sandbox refuses what Stripe refuses; each row names the source of the rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import pytest
import stripe

from quickscale_stripe_sandbox import Sandbox
from tests.quickscale_stripe_sandbox.conftest import open_session

Request: TypeAlias = Callable[["Shop"], object]
SETUP: dict[str, Any] = {"mode": "setup", "success_url": "http://site.example/done"}


@dataclass
class Shop:
    """A customer without an address, a package, two plans and a plan in another currency."""

    client: stripe.StripeClient
    customer: stripe.Customer
    package: stripe.Price
    basic: stripe.Price
    pro: stripe.Price
    euro: stripe.Price

    def open(self, price: stripe.Price, **params: Any) -> Any:
        """Open a Checkout for one unit of a price, in the price's own mode."""
        mode = "subscription" if price.recurring else "payment"
        items = [{"price": price.id, "quantity": 1}]
        return open_session(self.client, price, **{"mode": mode, "line_items": items, **params})

    def subscribe(self, *prices: stripe.Price) -> stripe.Subscription:
        return self.client.v1.subscriptions.create(
            {"customer": self.customer.id, "items": [{"price": price.id} for price in prices]}
        )

    def price(self, **params: Any) -> stripe.Price:
        product = self.client.v1.products.create({"name": "Something"})
        return self.client.v1.prices.create({"product": product.id, "currency": "usd", **params})


@pytest.fixture
def shop(client: stripe.StripeClient, price: stripe.Price) -> Shop:
    customer = client.v1.customers.create({"email": "ada@example.com"})
    method = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})
    client.v1.customers.update(
        customer.id, {"invoice_settings": {"default_payment_method": method.id}}
    )

    def plan(amount: int, currency: str = "usd") -> stripe.Price:
        product = client.v1.products.create({"name": "Plan"})
        return client.v1.prices.create(
            {
                "product": product.id,
                "unit_amount": amount,
                "currency": currency,
                "recurring": {"interval": "month"},
            }
        )

    return Shop(client, customer, price, plan(1900), plan(4900), plan(1700, "eur"))


def taxed(shop: Shop, **params: Any) -> Any:
    return shop.open(
        shop.package, customer=shop.customer.id, automatic_tax={"enabled": True}, **params
    )


def asking_for_a_tax_id(shop: Shop, **params: Any) -> Any:
    return shop.open(
        shop.package, customer=shop.customer.id, tax_id_collection={"enabled": True}, **params
    )


def change(shop: Shop, *items: dict[str, Any], **params: Any) -> Any:
    subscription = shop.subscribe(shop.basic)
    first = {"id": subscription.items.data[0].id}
    changed: Any = {"items": [{**first, **item} if not index else item
                              for index, item in enumerate(items)], **params}  # fmt: skip
    return shop.client.v1.subscriptions.update(subscription.id, changed)


def scheduled(shop: Shop, **params: Any) -> Any:
    v1, subscription = shop.client.v1, shop.subscribe(shop.basic)
    v1.subscription_schedules.create({"from_subscription": subscription.id})
    return v1.subscriptions.update(subscription.id, params)  # type: ignore[arg-type]


def replanned(shop: Shop, *phases: dict[str, Any], **params: Any) -> Any:
    """Update the phases of a new schedule; missing fields are those of its running phase."""
    subscription = shop.subscribe(shop.basic)
    v1 = shop.client.v1.subscription_schedules
    schedule = v1.create({"from_subscription": subscription.id})
    running = {"start_date": schedule.phases[0].start_date, "end_date": schedule.phases[0].end_date}
    given = [
        {"items": [{"price": shop.basic.id}], **({} if index else running), **phase}
        for index, phase in enumerate(phases)
    ]
    changed: Any = {"phases": [
        {key: value for key, value in phase.items() if value is not None} for phase in given
    ]}  # fmt: skip
    return v1.update(schedule.id, changed | params)


def released(shop: Shop) -> str:
    v1 = shop.client.v1.subscription_schedules
    schedule = v1.create({"from_subscription": shop.subscribe(shop.basic).id})
    return v1.release(schedule.id).id


#: The name, the start of Stripe's message, the parameter that it names, and the request.
REFUSED: list[tuple[str, str, str | None, Request]] = [
    # docs.stripe.com/tax/checkout: "Existing customers".
    ("a tax for a customer whose address may not be saved", "Automatic tax calculation in Checkout",
     "automatic_tax", taxed),
    # docs.stripe.com/tax/checkout/tax-ids: "Existing customers".
    ("a tax id for a customer whose name may not be saved", "Tax ID collection requires updating",
     "tax_id_collection", asking_for_a_tax_id),
    # SDK, SessionCreateParams.customer_update: only when `customer` is provided.
    ("an update of no customer", "`customer_update` can only be used with `customer`",
     "customer_update",
     lambda shop: shop.open(shop.package, customer_update={"name": "auto"})),
    # SDK, SessionCreateParams.subscription_data: in `subscription` mode.
    ("a package with what a subscription gets", "You can not pass `subscription_data` in `payment`",
     "subscription_data",
     lambda shop: shop.open(shop.package, subscription_data={"description": "x"})),
    # SDK, SessionCreateParams.payment_intent_data: in `payment` mode.
    ("a plan with what a payment gets", "You can not pass `payment_intent_data` in `subscription`",
     "payment_intent_data",
     lambda shop: shop.open(shop.basic, payment_intent_data={"description": "x"})),
    # SDK, SessionCreateParams.setup_intent_data: in `setup` mode.
    ("a package with what a set-up gets", "You can not pass `setup_intent_data` in `payment`",
     "setup_intent_data",
     lambda shop: shop.open(shop.package, setup_intent_data={"description": "x"})),
    # SDK, SessionCreateParams.invoice_creation: for one-time payments.
    ("a plan with an invoice of its own", "You can not pass `invoice_creation` in `subscription`",
     "invoice_creation",
     lambda shop: shop.open(shop.basic, invoice_creation={"enabled": True})),
    # SDK, SessionCreateParams.currency: required in `setup` mode.
    ("a set-up without a currency", "You must provide `currency` in `setup` mode", "currency",
     lambda shop: shop.client.v1.checkout.sessions.create({**SETUP})),
    # docs.stripe.com/api/checkout/sessions/create#create_checkout_session-client_reference_id
    ("a reference of 201 characters", "Invalid string: client_reference_id", "client_reference_id",
     lambda shop: shop.open(shop.package, client_reference_id="x" * 201)),
    # docs.stripe.com/billing/customer#customer-currency
    ("a plan in another currency than the subscription's", "You cannot combine currencies",
     "currency",
     lambda shop: (shop.subscribe(shop.basic),
                   shop.open(shop.euro, customer=shop.customer.id))),
    ("a second subscription in another currency", "You cannot combine currencies", "currency",
     lambda shop: (shop.subscribe(shop.basic), shop.subscribe(shop.euro))),
    # docs.stripe.com/currencies#minimum-and-maximum-charge-amounts
    ("a Checkout for 10 cents", "Amount must be at least", "line_items",
     lambda shop: shop.open(shop.price(unit_amount=10))),
    ("a payment of 49 yen", "Amount must be at least", "amount",
     lambda shop: shop.client.v1.payment_intents.create({"amount": 49, "currency": "jpy"})),
    # docs.stripe.com/currencies#three-decimal: the last digit is 0.
    ("a price of 1.234 dinar", "Invalid unit_amount: must be a multiple of 10", "unit_amount",
     lambda shop: shop.price(unit_amount=1234, currency="kwd")),
    # docs.stripe.com/currencies#special-cases: two decimals, which are 00.
    ("a price of half a krona", "Invalid unit_amount: must be a multiple of 100", "unit_amount",
     lambda shop: shop.price(unit_amount=150, currency="isk")),
    # docs.stripe.com/api/subscriptions/create#create_subscription-items
    ("a price that is twice in a subscription", "Cannot add multiple subscription items", "items",
     lambda shop: shop.subscribe(shop.basic, shop.basic)),
    ("a price that a change would put in twice", "Cannot add multiple subscription items", "items",
     lambda shop: change(shop, {"price": shop.basic.id}, {"price": shop.basic.id})),
    ("a price that is twice in a plan's Checkout", "Cannot add multiple subscription items",
     "line_items",
     lambda shop: shop.open(shop.basic, line_items=[{"price": shop.basic.id, "quantity": 1}] * 2)),
    # docs.stripe.com/billing/subscriptions/pending-updates-reference#supported-attributes
    ("a change that waits for its payment, with metadata", "You can not pass metadata", "metadata",
     lambda shop: change(shop, {"price": shop.pro.id}, payment_behavior="pending_if_incomplete",
                         proration_behavior="always_invoice", metadata={"a": "b"})),
    # dust-tt/dust #32051
    ("a cancellation of what a schedule manages", "The subscription is managed by the", None,
     lambda shop: scheduled(shop, cancel_at_period_end=True)),
    ("another end of what a schedule manages", "The subscription is managed by the", None,
     lambda shop: scheduled(shop, cancel_at="")),
    # SDK, SubscriptionScheduleCreateParams.from_subscription
    ("a new schedule with more than its subscription", "You cannot set `end_behavior` if",
     "end_behavior",
     lambda shop: shop.client.v1.subscription_schedules.create(
         {"from_subscription": shop.subscribe(shop.basic).id, "end_behavior": "release"})),
    # docs.stripe.com/billing/subscriptions/subscription-schedules: one for a subscription.
    ("a second schedule", "You cannot migrate a subscription that is already attached",
     "from_subscription",
     lambda shop: shop.client.v1.subscription_schedules.create(
         {"from_subscription": replanned(shop, {}).subscription})),
    # tierrun/tier #93
    ("another start of the phase that runs", "You can not modify the start date of the current",
     "phases[0][start_date]", lambda shop: replanned(shop, {"start_date": 1})),
    # SDK, SubscriptionScheduleUpdateParamsPhase.start_date; stripe/stripe-dotnet #1754
    ("phases without a start", "The subscription schedule update is missing at least one phase",
     "phases", lambda shop: replanned(shop, {"start_date": None})),
    # SDK, SubscriptionScheduleUpdateParams.phases: each starts when the one before it ends.
    ("a gap between phases", "A phase must start when the one before it ends",
     "phases[1][start_date]", lambda shop: replanned(shop, {}, {"start_date": 4102444800})),
    # SDK, SubscriptionScheduleUpdateParamsPhase.end_date: not with `duration`.
    ("a phase with two ends", "You may only specify one of these parameters", "phases[0]",
     lambda shop: replanned(shop, {"duration": {"interval": "month"}})),
    # SDK, SubscriptionScheduleUpdateParamsPhase.trial_end
    ("a trial that is longer than its phase", "`trial_end` must be within the phase",
     "phases[0][trial_end]", lambda shop: replanned(shop, {"trial_end": 4102444800})),
    # docs.stripe.com/changelog/dahlia/2026-07-29/subscription-schedule-phases-trial-property
    ("a trial of the whole phase that ends before it", "`trial_end` must be within the phase",
     "phases[1][trial_end]",
     lambda shop: replanned(shop, {}, {"trial": True, "trial_end": 4102444800})),
    # docs.stripe.com/api/subscriptions/create#create_subscription-items
    ("a price that is twice in a phase", "Cannot add multiple subscription items",
     "phases[0][items]",
     lambda shop: replanned(shop, {"items": [{"price": shop.basic.id}] * 2})),
    # docs.stripe.com/billing/customer#customer-currency
    ("a phase in another currency", "All prices of a subscription must have the same currency",
     "phases[1][items]",
     lambda shop: replanned(shop, {}, {"items": [{"price": shop.euro.id}]})),
    # SDK, SubscriptionScheduleUpdateParamsPhaseDiscount.discount: an existing one to reuse.
    ("a discount of somebody else in a phase", "No such discount", "discounts",
     lambda shop: replanned(shop, {"discounts": [{"discount": "di_other"}]})),
    # SDK, SubscriptionSchedule.status; codewithsundeep.com/discussion/solution/77572917
    ("an update of a schedule that is over",
     "You cannot update a subscription schedule that is currently in the `released` status", None,
     lambda shop: shop.client.v1.subscription_schedules.update(released(shop), {})),
    # docs.stripe.com/api/subscriptions/update#update_subscription-cancel_at
    ("an end that is past", "Invalid timestamp: must be in the future", "cancel_at",
     lambda shop: shop.client.v1.subscriptions.update(
         shop.subscribe(shop.basic).id, {"cancel_at": 1})),
    # docs.stripe.com/customer-management/integrate-customer-portal: settings are saved first.
    ("a portal that was never configured", "No configuration provided", None,
     lambda shop: shop.client.v1.billing_portal.sessions.create({"customer": shop.customer.id})),
    # docs.stripe.com/error-codes#parameter-invalid-empty
    ("a customer with an empty name", "You passed an empty string for 'name'", "name",
     lambda shop: shop.client.v1.customers.create({"name": ""})),
    ("an empty part of a parameter", "You passed an empty string for 'shipping[name]'",
     "shipping[name]",
     lambda shop: shop.client.v1.customers.create(
         {"shipping": {"name": "", "address": {"line1": "1"}}})),
]  # fmt: skip


@pytest.mark.parametrize(
    ("message", "param", "request_"),
    [row[1:] for row in REFUSED],
    ids=[row[0] for row in REFUSED],
)
def test_is_refused(shop: Shop, message: str, param: str | None, request_: Request) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        request_(shop)
    assert str(refused.value.user_message).startswith(message)
    assert refused.value.param == param


def test_what_may_be_saved_is_saved(sandbox: Sandbox, shop: Shop) -> None:
    """With ``customer_update`` both are accepted, and the next Checkout no longer needs it."""
    session = taxed(shop, customer_update={"address": "auto", "name": "auto"})
    sandbox.pay(session.id, name="Ada Lovelace")
    customer = shop.client.v1.customers.retrieve(shop.customer.id)
    assert customer.name == "Ada Lovelace"
    assert customer.address
    assert taxed(shop).url
    assert asking_for_a_tax_id(shop, customer_update={"name": "auto"}).url


def test_a_customer_whose_subscription_ended_may_change_the_currency(shop: Shop) -> None:
    subscription = shop.subscribe(shop.basic)
    shop.client.v1.subscriptions.cancel(subscription.id)
    assert shop.open(shop.euro, customer=shop.customer.id).url


def test_an_invoice_that_is_too_small_to_be_charged_waits_for_the_next(shop: Shop) -> None:
    """SDK, Invoice.amount_due: it may be 0 if it is smaller than the minimum charge."""
    subscription = shop.subscribe(shop.price(unit_amount=30, recurring={"interval": "month"}))
    [first] = shop.client.v1.invoices.list({"subscription": subscription.id}).data
    assert (first.status, first.total, first.amount_due, first.amount_paid) == ("paid", 30, 0, 0)
    assert first.ending_balance == 30
    assert shop.client.v1.customers.retrieve(shop.customer.id).balance == 30


def test_a_portal_opens_once_it_is_configured(sandbox: Sandbox, shop: Shop) -> None:
    sandbox.seed()
    assert shop.client.v1.billing_portal.sessions.create({"customer": shop.customer.id}).url
