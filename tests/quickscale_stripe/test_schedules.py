"""A plan change at the period's end leaves the rest of the subscription as it is."""

from __future__ import annotations

import typing
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import stripe
import typing_extensions

from quickscale_stripe.billing import customers, plan_changes, schedules, subscriptions
from quickscale_stripe.client import get_client
from quickscale_stripe.models import Payment, StripePrice, Subscription
from quickscale_stripe_sandbox import Sandbox
from quickscale_stripe_sandbox.internal import shapes
from tests.quickscale_stripe.shopping import balance

#: Fields that the plan change itself sets.
OF_THE_CHANGE = {
    "add_invoice_items", "discounts", "duration", "end_date", "items", "start_date", "trial",
    "trial_end",
}  # fmt: skip
#: An older name of ``price``, and a way to make a new price.
OF_PRICES = {"plan", "price_data"}


# What is carried over ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "answer", "shape", "own"),
    [
        (
            stripe.params.SubscriptionScheduleUpdateParamsPhase,
            stripe.SubscriptionSchedule.Phase,
            schedules.SETTINGS,
            OF_THE_CHANGE,
        ),
        (
            stripe.params.SubscriptionScheduleUpdateParamsPhaseItem,
            stripe.SubscriptionItem,
            schedules.ITEM,
            OF_PRICES | {"discounts"},
        ),
    ],
    ids=["phase", "item"],
)
def test_everything_that_stripe_lets_set_is_carried_over(
    params: Any, answer: Any, shape: Any, own: set[str]
) -> None:
    """Somebody has to decide about a field that a new version of the SDK adds."""
    assert set(shape) | own == set(typing_extensions.get_type_hints(params))
    assert set(shape) <= set(shapes.fields_of_class(answer))
    check(params, {name: each for name, each in shape.items() if isinstance(each, dict)})


def check(params: Any, shape: Any) -> None:
    hints = typing_extensions.get_type_hints(params)
    for name, inner in shape.items():
        if isinstance(inner, dict):
            structure = structure_in(hints[name])
            assert set(inner) == set(typing_extensions.get_type_hints(structure)), name
            check(structure, inner)


def structure_in(hint: Any) -> Any:
    """Return the TypedDict in a hint such as ``NotRequired[Literal[""] | list[...]]``."""
    if typing_extensions.is_typeddict(hint):
        return hint
    return next(filter(None, map(structure_in, typing.get_args(hint))), None)


def test_settings_are_sent_back_as_ids_and_without_fields_of_responses() -> None:
    account = {"id": "acct_1", "object": "account"}
    liable = {"account": account, "type": "account"}
    given = {
        "application_fee_percent": 1.5,
        "automatic_tax": {"disabled_reason": None, "enabled": True, "liability": liable},
        "billing_cycle_anchor": "automatic",
        "billing_thresholds": {"amount_gte": 100, "reset_billing_cycle_anchor": False},
        "collection_method": "send_invoice",
        "currency": "usd",
        "default_payment_method": {"id": "pm_1", "object": "payment_method"},
        "default_tax_rates": [{"id": "txr_1", "object": "tax_rate"}],
        "description": "Theirs",
        "invoice_settings": {
            "account_tax_ids": ["txi_1", {"id": "txi_2", "object": "tax_id"}],
            "custom_fields": [{"name": "a", "value": "b"}],
            "days_until_due": 3,
            "description": None,
            "footer": "Bye",
            "issuer": liable,
        },
        "metadata": {"id": "7", "object": "x"},
        "on_behalf_of": account,
        "proration_behavior": "none",
        "transfer_data": {"amount_percent": None, "destination": account},
    }
    phase = stripe.SubscriptionSchedule.Phase.construct_from(given, "sk_test")
    assert schedules.settings_of(phase) == given | {
        "automatic_tax": {"enabled": True, "liability": liable | {"account": "acct_1"}},
        "default_payment_method": "pm_1",
        "default_tax_rates": ["txr_1"],
        "invoice_settings": {
            "account_tax_ids": ["txi_1", "txi_2"],
            "custom_fields": [{"name": "a", "value": "b"}],
            "days_until_due": 3,
            "footer": "Bye",
            "issuer": liable | {"account": "acct_1"},
        },
        "on_behalf_of": "acct_1",
        "transfer_data": {"destination": "acct_1"},
    }
    assert set(given) == set(schedules.SETTINGS)


def test_a_metered_item_is_sent_back_without_a_quantity() -> None:
    """SDK, SubscriptionScheduleUpdateParamsPhaseItem.quantity: only for licensed prices."""
    item = stripe.SubscriptionItem.construct_from(
        {
            "id": "si_1",
            "object": "subscription_item",
            "billing_thresholds": {"usage_gte": 5},
            "discounts": ["di_1"],
            "metadata": {},
            "price": {"id": "price_1", "object": "price"},
            "tax_rates": [{"id": "txr_1", "object": "tax_rate"}],
        },
        "sk_test",
    )
    assert schedules.item_of(item) == {
        "billing_thresholds": {"usage_gte": 5},
        "discounts": [{"discount": "di_1"}],
        "price": "price_1",
        "tax_rates": ["txr_1"],
    }


# Downgrades --------------------------------------------------------------------------------------


@dataclass
class Plans:
    """The shop's plans, a seat for 2.00 USD a month that isn't this site's, and the sandbox."""

    shop: Sandbox
    owner: Any
    basic: StripePrice
    pro: StripePrice
    seat: str

    def subscribe(self, *items: dict[str, Any], **params: Any) -> Subscription:
        """Subscribe as another tool or Stripe's dashboard does, which offer more than Checkout."""
        v1, customer = get_client().v1, customers.ensure(self.owner)
        method = v1.payment_methods.attach("pm_card_visa", {"customer": customer.stripe_id or ""})
        made = v1.subscriptions.create(
            {
                "customer": customer.stripe_id or "",
                "default_payment_method": method.id,
                "items": [{"price": self.pro.stripe_id, **items[0]}, *items[1:]],  # type: ignore[list-item]
                **params,  # type: ignore[typeddict-item]
            },
            {"idempotency_key": uuid.uuid4().hex},
        )
        self.shop.deliver()
        return Subscription.objects.get(stripe_id=made.id)

    def schedule(self, row: Subscription, *phases: dict[str, Any]) -> None:
        """Schedule as staff in Stripe's dashboard; the first phase begins with the subscription."""
        v1 = get_client().v1.subscription_schedules
        made = v1.create({"from_subscription": row.stripe_id}, {"idempotency_key": row.stripe_id})
        start = {"start_date": made.phases[0].start_date}
        given: Any = {"phases": [start | phases[0], *phases[1:]]}
        v1.update(made.id, given, {"idempotency_key": made.id})
        self.shop.deliver()
        row.refresh_from_db()

    def change(self, row: Subscription, price: StripePrice) -> None:
        shown = plan_changes.preview(subscription=row, price=price)
        plan_changes.change(subscription=row, price=price, token=shown.token)
        self.shop.deliver()
        row.refresh_from_db()

    def wait(self, row: Subscription, days: int) -> None:
        self.shop.advance(days=days)
        self.shop.deliver()
        row.refresh_from_db()


@pytest.fixture
def plans(shop: Sandbox, owner: Any) -> Plans:
    seat = get_client().v1.prices.create(
        {
            "product_data": {"name": "Seat"},
            "unit_amount": 200,
            "currency": "usd",
            "recurring": {"interval": "month"},
        }
    )
    basic, pro = (
        StripePrice.objects.get(product__name=name, interval="month")
        for name in ("Basic plan", "Pro plan")
    )
    return Plans(shop, owner, basic, pro, seat.id)


def coupon(**params: Any) -> str:
    terms: Any = {"percent_off": 50.0, "duration": "forever"} | params
    return get_client().v1.coupons.create(terms).id


def code(**params: Any) -> str:
    promotion: Any = {"type": "coupon", "coupon": coupon(**params)}
    return get_client().v1.promotion_codes.create({"promotion": promotion}).id


def remote(row: Subscription) -> Any:
    return get_client().v1.subscriptions.retrieve(row.stripe_id, {"expand": ["discounts"]})


def facts(row: Subscription) -> dict[str, Any]:
    """Return what a plan change must leave as it is."""
    found = remote(row)
    return {
        "discounts": [(one.id, one.promotion_code, one.end) for one in found.discounts],
        "items": [(one.id, one.price.id, one.quantity) for one in found.items.data],
        "metadata": found.metadata.to_dict(),
        "periods": [one.current_period_end for one in found.items.data],
        "status": found.status,
        "trial_end": found.trial_end,
    }


def totals(row: Subscription) -> list[int]:
    """Return the amounts paid of the subscription's invoices, the oldest first."""
    listed = get_client().v1.invoices.list({"subscription": row.stripe_id})
    return [invoice.amount_paid for invoice in listed.data[::-1]]


def amounts() -> list[int]:
    """Return the amounts of the site's payments."""
    return list(Payment.objects.order_by("created_at").values_list("amount", flat=True))


MONTHS = {"duration": "repeating", "duration_in_months": 2}
TRIAL = {"trial_period_days": 14}


@dataclass
class Case:
    """A subscription to Pro, and the amounts of its invoices: one of Pro, then two of Basic."""

    invoices: list[int]
    discount: Callable[[], dict[str, str]] | None = None
    item: dict[str, Any] = field(default_factory=dict)
    seats: int = 0
    params: dict[str, Any] = field(default_factory=dict)

    @property
    def days(self) -> int:
        """The days until shortly after the end of the first period."""
        return 15 if TRIAL.items() <= self.params.items() else 31

    def others(self, plans: Plans) -> list[dict[str, Any]]:
        return [{"price": plans.seat, "quantity": self.seats}] if self.seats else []

    def subscribe(self, plans: Plans) -> Subscription:
        given = {"discounts": [self.discount()]} if self.discount else {}
        return plans.subscribe(self.item, *self.others(plans), **given, **self.params)

    def phase(self, plans: Plans, row: Subscription) -> dict[str, Any]:
        """Return a phase of half a year like the subscription as it is."""
        was = facts(row)
        phase = {
            "items": [{"price": plans.pro.stripe_id, **self.item}, *self.others(plans)],
            "discounts": [{"discount": found} for found, _code, _end in was["discounts"]],
            "trial_end": was["trial_end"],
        }
        half_a_year = {"duration": {"interval": "month", "interval_count": 6}}
        return {name: value for name, value in phase.items() if value} | half_a_year


CASES = {
    "nothing else": Case([4900, 1900, 1900]),
    "a coupon": Case([2450, 950, 950], lambda: {"coupon": coupon()}),
    "a code for two months": Case([2450, 950, 1900], lambda: {"promotion_code": code(**MONTHS)}),
    "three seats": Case([5500, 2500, 2500], seats=3),
    "two of the plan": Case([9800, 3800, 3800], item={"quantity": 2}),
    "a trial": Case([0, 1900, 1900], params=TRIAL),
    "all of it": Case(
        [0, 2200, 2200],
        lambda: {"coupon": coupon()},
        {"quantity": 2, "metadata": {"seats": "two"}},
        3,
        TRIAL | {"metadata": {"campaign": "spring"}},
    ),
}


@pytest.mark.django_db
@pytest.mark.parametrize("has_schedule", [False, True], ids=["", "in a schedule"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_downgrade_changes_the_plan_and_nothing_else(
    plans: Plans, case: Case, has_schedule: bool
) -> None:
    row = case.subscribe(plans)
    was = facts(row)
    if has_schedule:
        plans.schedule(row, case.phase(plans, row))
    plans.change(row, plans.basic)
    assert facts(row) == was
    assert totals(row) == case.invoices[:1]
    assert (row.price, row.pending_price, row.status) == (plans.pro, plans.basic, was["status"])
    assert row.pending_at == row.current_period_end

    plans.wait(row, case.days)
    (plan, _price, quantity), *rest = was["items"]
    same = ("discounts", "metadata", "trial_end")
    now = facts(row)
    assert now["items"] == [(plan, plans.basic.stripe_id, quantity), *rest]
    assert [now[name] for name in same] == [was[name] for name in same]
    assert (row.price, row.pending_price, row.status) == (plans.basic, None, "active")
    assert row.quantity == quantity

    plans.wait(row, 31)
    assert totals(row) == amounts() == case.invoices
    # The database's clock counts how long a discount lasts, and it has not moved.
    assert row.mrr == case.invoices[1]
    assert row.schedule_id == ""


@pytest.mark.django_db
def test_a_code_for_one_invoice_applies_after_the_trial(plans: Plans) -> None:
    row = plans.subscribe({}, discounts=[{"promotion_code": code(duration="once")}], **TRIAL)
    plans.change(row, plans.basic)
    plans.wait(row, 15)
    plans.wait(row, 31)
    assert totals(row) == [0, 950, 1900]


@pytest.mark.django_db
def test_a_downgrade_within_a_schedule_that_began_earlier(plans: Plans) -> None:
    """Its phase keeps its own start, which is before the period's."""
    row = plans.subscribe({"quantity": 2}, discounts=[{"coupon": coupon()}])
    discount = remote(row).discounts[0].id
    plans.schedule(
        row,
        {
            "items": [{"price": plans.pro.stripe_id, "quantity": 2}],
            "discounts": [{"discount": discount}],
            "duration": {"interval": "month", "interval_count": 6},
        },
        {"items": [{"price": plans.pro.stripe_id, "quantity": 1}]},
    )
    plans.wait(row, 31)
    plans.change(row, plans.basic)
    [running, coming] = phases(row)
    assert running.start_date == remote(row).start_date
    assert running.end_date == coming.start_date == remote(row).items.data[0].current_period_end
    plans.wait(row, 31)
    assert totals(row) == [4900, 4900, 1900]
    assert row.price == plans.basic


def phases(row: Subscription) -> list[stripe.SubscriptionSchedule.Phase]:
    return get_client().v1.subscription_schedules.retrieve(row.schedule_id).phases


@pytest.mark.django_db
def test_a_coupon_that_a_phase_names_is_not_redeemed_again(plans: Plans) -> None:
    """It would start again, and one for a single invoice would apply twice."""
    row = plans.subscribe({})
    spring = coupon(**MONTHS)
    running = {"items": [{"price": plans.pro.stripe_id}], "discounts": [{"coupon": spring}]}
    plans.schedule(row, running | {"duration": {"interval": "month", "interval_count": 6}})
    [was] = facts(row)["discounts"]
    plans.change(row, plans.basic)
    plans.wait(row, 31)
    assert facts(row)["discounts"] == [was]
    assert get_client().v1.coupons.retrieve(spring).times_redeemed == 1
    assert totals(row) == [4900, 950]


@pytest.mark.django_db
def test_a_later_change_replaces_the_one_that_waits(plans: Plans) -> None:
    yearly = StripePrice.objects.get(product__name="Pro plan", interval="year")
    row = plans.subscribe({"price": yearly.stripe_id}, discounts=[{"coupon": coupon()}])
    plans.change(row, plans.pro)
    schedule = row.schedule_id
    plans.change(row, plans.basic)
    assert (row.schedule_id, row.pending_price) == (schedule, plans.basic)
    plans.wait(row, 366)
    assert row.price == plans.basic
    assert totals(row)[1:] == [950]


@pytest.mark.django_db
def test_the_next_downgrade_comes_while_the_schedule_of_the_last_one_runs(plans: Plans) -> None:
    """At Stripe the last phase lasts for a period, and the schedule ends with it."""
    yearly = StripePrice.objects.get(product__name="Pro plan", interval="year")
    row = plans.subscribe({"price": yearly.stripe_id})
    plans.change(row, plans.pro)
    plans.wait(row, 366)
    assert (row.price, row.pending_price) == (plans.pro, None)
    schedule = row.schedule_id
    plans.change(row, plans.basic)
    assert (row.schedule_id, row.pending_price) == (schedule, plans.basic)
    plans.wait(row, 31)
    assert totals(row)[1:] == [4900, 1900]


@pytest.mark.django_db
def test_a_cancellation_comes_while_the_schedule_of_a_downgrade_runs(plans: Plans) -> None:
    row = plans.subscribe({})
    plans.change(row, plans.basic)
    plans.wait(row, 31)
    assert row.schedule_id
    subscriptions.cancel_at_period_end(row)
    plans.wait(row, 31)
    assert (row.status, row.price, row.schedule_id) == ("canceled", plans.basic, "")


@pytest.mark.django_db
def test_a_schedule_that_was_released_meanwhile_is_not_asked_for(plans: Plans) -> None:
    row = plans.subscribe({})
    plans.change(row, plans.basic)
    get_client().v1.subscription_schedules.release(row.schedule_id)
    shown = plan_changes.preview(subscription=row, price=plans.basic)
    subscriptions.sync(row.stripe_id)
    plan_changes.change(subscription=row, price=plans.basic, token=shown.token)
    row.refresh_from_db()
    assert row.pending_price == plans.basic


@pytest.mark.django_db
def test_credits_of_a_trials_downgrade_are_those_of_the_plan_that_is_paid(plans: Plans) -> None:
    row = plans.subscribe({}, trial_period_days=14)
    plans.change(row, plans.basic)
    before = balance(plans.owner)
    plans.wait(row, 15)
    assert balance(plans.owner) - before == 300
