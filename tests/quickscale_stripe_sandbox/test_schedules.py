"""A schedule's phases describe the whole subscription, as Stripe's do.

``test_refusals.py`` lists what is refused.
"""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from quickscale_stripe_sandbox import Sandbox

from .test_billing import DAY, customer_with, invoices_of, subscribe
from .test_discounts import make_code, plan_of

HALF: dict[str, Any] = {"percent_off": 50.0, "duration": "forever"}


@pytest.fixture
def customer(client: stripe.StripeClient) -> stripe.Customer:
    return customer_with(client, "pm_card_visa")


@pytest.fixture
def pro(client: stripe.StripeClient) -> stripe.Price:
    """30.00 USD a month."""
    return plan_of(client, 3000)


@pytest.fixture
def basic(client: stripe.StripeClient) -> stripe.Price:
    """10.00 USD a month."""
    return plan_of(client, 1000)


@pytest.fixture
def seat(client: stripe.StripeClient) -> stripe.Price:
    """2.00 USD a month."""
    return plan_of(client, 200)


def scheduled(client: stripe.StripeClient, subscription: Any) -> stripe.SubscriptionSchedule:
    return client.v1.subscription_schedules.create({"from_subscription": subscription.id})


def update(
    client: stripe.StripeClient,
    schedule: stripe.SubscriptionSchedule,
    *phases: dict[str, Any],
    **params: Any,
) -> stripe.SubscriptionSchedule:
    """Update the phases; the first one keeps its start and end unless it gives others."""
    now: dict[str, Any] = {
        "start_date": schedule.phases[0].start_date,
        "end_date": schedule.phases[0].end_date,
    }
    given: Any = {"phases": [now | phases[0], *phases[1:]], **params}
    return client.v1.subscription_schedules.update(schedule.id, given)


def of(*prices: stripe.Price) -> dict[str, Any]:
    """Return a phase with one unit of each price."""
    return {"items": [{"price": price.id} for price in prices]}


def current(client: stripe.StripeClient, subscription: Any) -> Any:
    return client.v1.subscriptions.retrieve(subscription.id)


def items(subscription: Any) -> dict[str, int]:
    return {item.price.id: item.quantity for item in subscription.items.data}


def paid(client: stripe.StripeClient, subscription: Any) -> list[int]:
    return [invoice.amount_paid for invoice in invoices_of(client, subscription)]


def test_the_first_phase_describes_the_whole_subscription(
    client: stripe.StripeClient, customer: Any, pro: stripe.Price, seat: stripe.Price
) -> None:
    """SDK, SubscriptionScheduleCreateParams.from_subscription, and Phase's fields."""
    coupon = client.v1.coupons.create(HALF)  # type: ignore[arg-type]
    subscription = subscribe(
        client,
        customer,
        pro,
        items=[
            {"price": pro.id, "quantity": 2, "metadata": {"kind": "plan"}},
            {"price": seat.id, "quantity": 3},
        ],
        discounts=[{"coupon": coupon.id}],
        trial_period_days=7,
    )
    [phase] = scheduled(client, subscription).phases
    assert [(item.price, item.quantity) for item in phase.items] == [(pro.id, 2), (seat.id, 3)]
    assert phase.items[0].metadata.to_dict() == {"kind": "plan"}  # type: ignore[union-attr]
    assert [entry.discount for entry in phase.discounts] == subscription.discounts
    assert (phase.start_date, phase.trial_end) == (subscription.start_date, subscription.trial_end)
    assert phase.end_date == subscription.trial_end


def test_an_item_that_the_running_phase_does_not_list_is_removed_at_once(
    client: stripe.StripeClient, customer: Any, pro: stripe.Price, seat: stripe.Price
) -> None:
    """docs.stripe.com/api/subscription_schedules/update: "List of configuration items, each with
    an attached price, to apply during this phase"."""
    subscription = subscribe(client, customer, pro, items=[{"price": pro.id}, {"price": seat.id}])
    schedule = scheduled(client, subscription)
    update(client, schedule, of(pro), proration_behavior="none")
    after = current(client, subscription)
    assert items(after) == {pro.id: 1}
    assert after.items.data[0].id == subscription.items.data[0].id
    assert paid(client, subscription) == [3200]


def test_a_change_of_the_running_phase_is_prorated_as_the_request_says(
    client: stripe.StripeClient, customer: Any, pro: stripe.Price, sandbox: Sandbox
) -> None:
    """SDK, SubscriptionScheduleUpdateParams.proration_behavior."""
    subscription = subscribe(client, customer, pro)
    schedule = scheduled(client, subscription)
    more = {"items": [{"price": pro.id, "quantity": 2}]}
    update(client, schedule, more, proration_behavior="always_invoice")
    assert items(current(client, subscription)) == {pro.id: 2}
    assert paid(client, subscription) == [3000, 3000]
    update(client, schedule, of(pro))
    sandbox.advance(days=31)
    assert invoices_of(client, subscription)[-1].total == 0


def test_the_next_phase_brings_its_items_and_the_last_one_ends_the_schedule(
    client: stripe.StripeClient,
    customer: Any,
    pro: stripe.Price,
    basic: stripe.Price,
    seat: stripe.Price,
    sandbox: Sandbox,
) -> None:
    """docs.stripe.com/billing/subscriptions/subscription-schedules: "Complete a schedule"."""
    subscription = subscribe(client, customer, pro, items=[{"price": pro.id}, {"price": seat.id}])
    schedule = scheduled(client, subscription)
    update(client, schedule, of(pro, seat), {"items": [{"price": basic.id, "quantity": 3}]})
    sandbox.advance(days=31)
    after = current(client, subscription)
    assert (items(after), after.schedule) == ({basic.id: 3}, schedule.id)
    assert after.items.data[0].id == subscription.items.data[0].id
    sandbox.advance(days=31)
    assert current(client, subscription).schedule is None
    assert paid(client, subscription) == [3200, 3000, 3000]


def test_a_phase_without_discounts_takes_the_subscriptions_off(
    client: stripe.StripeClient, customer: Any, pro: stripe.Price, sandbox: Sandbox
) -> None:
    """SDK, SubscriptionScheduleUpdateParamsPhase.discounts: the customer's are inherited."""
    coupon = client.v1.coupons.create(HALF)  # type: ignore[arg-type]
    subscription = subscribe(client, customer, pro, discounts=[{"coupon": coupon.id}])
    kept = {"discounts": [{"discount": subscription.discounts[0]}]}
    update(client, scheduled(client, subscription), of(pro) | kept, of(pro))
    assert current(client, subscription).discounts == subscription.discounts
    sandbox.advance(days=31)
    assert current(client, subscription).discounts == []
    assert paid(client, subscription) == [1500, 3000]


@pytest.mark.parametrize(("given", "amount"), [({}, 1500), ({"discounts": ""}, 3000)])
def test_the_discount_of_a_customer_is_inherited_or_avoided(
    client: stripe.StripeClient,
    customer: Any,
    pro: stripe.Price,
    sandbox: Sandbox,
    given: dict[str, Any],
    amount: int,
) -> None:
    """SDK, SubscriptionScheduleUpdateParamsPhase.discounts: an empty string inherits none."""
    coupon = client.v1.coupons.create(HALF)  # type: ignore[arg-type]
    other = subscribe(client, customer, plan_of(client, 500), discounts=[{"coupon": coupon.id}])
    with sandbox.world() as world:
        discount = world.get("discount", other.discounts[0])
        world.save(world.get("customer", customer.id) | {"discount": discount})
    subscription = subscribe(client, customer, pro)
    update(client, scheduled(client, subscription), of(pro) | given)
    sandbox.advance(days=31)
    assert paid(client, subscription)[-1] == amount


@pytest.mark.parametrize("by", ["coupon", "promotion_code"])
def test_a_coupon_or_code_in_a_phase_is_redeemed_again_when_it_begins(
    client: stripe.StripeClient, customer: Any, pro: stripe.Price, sandbox: Sandbox, by: str
) -> None:
    """SDK, SubscriptionScheduleUpdateParamsPhaseDiscount.coupon: "to create a new discount for"."""
    code = make_code(client)
    coupon = code.promotion.coupon
    subscription = subscribe(client, customer, pro, discounts=[{"coupon": coupon}])
    named = {"coupon": coupon, "promotion_code": code.id}[by]
    coming = of(pro) | {"discounts": [{by: named}]}
    update(client, scheduled(client, subscription), of(pro), coming)
    assert client.v1.coupons.retrieve(coupon).times_redeemed == 1
    sandbox.advance(days=31)
    assert client.v1.coupons.retrieve(coupon).times_redeemed == 2
    assert paid(client, subscription) == [2250, 2250]


def test_a_discount_that_was_used_up_meanwhile_cannot_be_kept(
    client: stripe.StripeClient, customer: Any, pro: stripe.Price, sandbox: Sandbox
) -> None:
    """SDK, SubscriptionScheduleUpdateParamsPhaseDiscount.discount: an existing one."""
    coupon = client.v1.coupons.create({"percent_off": 50.0, "duration": "once"})
    subscription = subscribe(
        client, customer, pro, discounts=[{"coupon": coupon.id}], trial_period_days=7
    )
    discounts = {"discounts": [{"discount": subscription.discounts[0]}]}
    schedule = scheduled(client, subscription)
    trial = {"trial_end": schedule.phases[0].trial_end}
    update(client, schedule, of(pro) | discounts | trial, of(pro) | discounts, of(pro) | discounts)
    sandbox.advance(days=8)
    sandbox.advance(days=31)
    assert paid(client, subscription) == [0, 1500, 3000]


def test_a_running_phase_without_the_trial_ends_it(
    client: stripe.StripeClient, customer: Any, pro: stripe.Price
) -> None:
    """SDK, Phase.trial_end: only the phase's own trial counts."""
    subscription = subscribe(client, customer, pro, trial_period_days=7)
    schedule = scheduled(client, subscription)
    trial = {"trial_end": schedule.phases[0].trial_end}
    update(client, schedule, of(pro) | trial)
    assert current(client, subscription).status == "trialing"
    update(client, schedule, of(pro))
    assert current(client, subscription).status == "active"
    assert paid(client, subscription) == [0, 3000]


def test_a_running_phase_can_have_a_longer_trial(
    client: stripe.StripeClient, customer: Any, pro: stripe.Price
) -> None:
    """SDK, SubscriptionScheduleUpdateParamsPhase.trial: the entire phase is a trial."""
    subscription = subscribe(client, customer, pro, trial_period_days=7)
    schedule = scheduled(client, subscription)
    end = schedule.phases[0].end_date + 7 * DAY
    update(client, schedule, of(pro) | {"end_date": end, "trial": True})
    assert current(client, subscription).trial_end == end


def test_the_next_phase_can_be_a_trial(
    client: stripe.StripeClient, customer: Any, pro: stripe.Price, sandbox: Sandbox
) -> None:
    """SDK, SubscriptionScheduleUpdateParamsPhase.trial_end."""
    subscription = subscribe(client, customer, pro)
    schedule = scheduled(client, subscription)
    trial_end = schedule.phases[0].end_date + 7 * DAY
    update(client, schedule, of(pro), of(pro) | {"trial_end": trial_end})
    sandbox.advance(days=32)
    after = current(client, subscription)
    assert (after.status, after.trial_end) == ("trialing", trial_end)
    assert len(sandbox.events("customer.subscription.trial_will_end")) == 0
    sandbox.advance(days=7)
    assert len(sandbox.events("customer.subscription.trial_will_end")) == 1
    assert paid(client, subscription) == [3000, 0, 3000]


def test_metadata_of_a_phase_is_added_when_it_begins(
    client: stripe.StripeClient, customer: Any, pro: stripe.Price, sandbox: Sandbox
) -> None:
    """SDK, Phase.metadata and Phase.Item.metadata: keys are added and replaced."""
    subscription = subscribe(
        client,
        customer,
        pro,
        metadata={"owner": "7"},
        items=[{"price": pro.id, "metadata": {"a": "1"}}],
    )
    coming = {
        "items": [{"price": pro.id, "metadata": {"b": "2"}}],
        "metadata": {"phase": "second"},
    }
    update(client, scheduled(client, subscription), of(pro), coming)
    assert current(client, subscription).metadata.to_dict() == {"owner": "7"}
    sandbox.advance(days=31)
    after = current(client, subscription)
    assert after.metadata.to_dict() == {"owner": "7", "phase": "second"}
    assert after.items.data[0].metadata.to_dict() == {"a": "1", "b": "2"}


def test_settings_of_a_phase_apply_to_the_subscription_and_null_leaves_them(
    client: stripe.StripeClient, customer: Any, pro: stripe.Price, sandbox: Sandbox
) -> None:
    """SDK, SubscriptionSchedule.default_settings: the settings that a phase leaves open."""
    subscription = subscribe(client, customer, pro, description="Theirs")
    schedule = scheduled(client, subscription)
    assert schedule.default_settings.description == "Theirs"
    coming = of(pro) | {"description": "Ours", "automatic_tax": {"enabled": True}}
    updated = update(client, schedule, of(pro), coming)
    assert updated.phases[1].description == "Ours"
    assert current(client, subscription).description == "Theirs"
    sandbox.advance(days=31)
    after = current(client, subscription)
    assert (after.description, after.automatic_tax.enabled) == ("Ours", True)
    assert paid(client, subscription) == [3000, 3600]


def test_a_phase_that_is_past_can_be_left_out_and_the_running_one_cut_short(
    client: stripe.StripeClient,
    customer: Any,
    pro: stripe.Price,
    basic: stripe.Price,
    sandbox: Sandbox,
) -> None:
    """SDK, SubscriptionScheduleUpdateParams.phases: "past phases can be omitted"."""
    subscription = subscribe(client, customer, pro)
    schedule = scheduled(client, subscription)
    update(client, schedule, of(pro), of(basic))
    sandbox.advance(days=32)
    schedule = client.v1.subscription_schedules.retrieve(schedule.id)
    second: dict[str, Any] = {"start_date": schedule.phases[1].start_date}
    update(client, schedule, of(basic) | second | {"end_date": "now"}, of(pro))
    assert items(current(client, subscription)) == {pro.id: 1}


def test_unsupported_fields_of_a_phase_are_refused(
    client: stripe.StripeClient, customer: Any, pro: stripe.Price
) -> None:
    schedule = scheduled(client, subscribe(client, customer, pro))
    for given in (
        {"collection_method": "send_invoice"},
        {"items": [{"plan": pro.id, "price": pro.id}]},
    ):
        with pytest.raises(stripe.InvalidRequestError, match="sandbox doesn't yet"):
            update(client, schedule, of(pro) | given)  # type: ignore[operator]
    discounts = [{"coupon": client.v1.coupons.create(HALF).id}]  # type: ignore[arg-type]
    with pytest.raises(stripe.InvalidRequestError, match="no discounts on items"):
        update(client, schedule, {"items": [{"price": pro.id, "discounts": discounts}]})


def test_phases_are_in_order_and_one_of_them_is_running(
    client: stripe.StripeClient, customer: Any, pro: stripe.Price, sandbox: Sandbox
) -> None:
    """docs.stripe.com/billing/subscriptions/subscription-schedules: "Phases must be sequential"."""
    schedule = scheduled(client, subscribe(client, customer, pro))
    with pytest.raises(stripe.InvalidRequestError, match="must end after it starts"):
        update(client, schedule, of(pro) | {"end_date": schedule.phases[0].start_date})
    sandbox.advance(days=2)
    short = {"end_date": schedule.phases[0].start_date + DAY}
    with pytest.raises(stripe.InvalidRequestError, match="must include now"):
        update(client, schedule, of(pro) | short)


def test_a_schedule_can_be_canceled_once_and_its_subscription_ends(
    client: stripe.StripeClient, customer: Any, pro: stripe.Price
) -> None:
    """SDK, SubscriptionSchedule.cancel: "and its associated subscription immediately"."""
    subscription = subscribe(client, customer, pro)
    schedule = scheduled(client, subscription)
    assert client.v1.subscription_schedules.cancel(schedule.id).status == "canceled"
    assert current(client, subscription).status == "canceled"
    with pytest.raises(stripe.InvalidRequestError, match="to be canceled"):
        client.v1.subscription_schedules.cancel(schedule.id)
