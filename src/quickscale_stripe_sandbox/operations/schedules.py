"""Requests about subscription schedules.

Phases are declarative: an update replaces them, and the current phase applies to the subscription
at once.
"""

from __future__ import annotations

from quickscale_stripe_sandbox.internal.contract import Params
from quickscale_stripe_sandbox.internal.errors import invalid
from quickscale_stripe_sandbox.internal.periods import shift
from quickscale_stripe_sandbox.internal.routes import serves
from quickscale_stripe_sandbox.internal.world import Object, World, merge_metadata
from quickscale_stripe_sandbox.operations import (
    changes,
    discounts,
    lifecycle,
    phases,
    subscriptions,
)
from quickscale_stripe_sandbox.operations.catalogue import price_from
from quickscale_stripe_sandbox.operations.subscription_items import (
    check_prices,
    items_of,
    period_end,
    period_of,
)


@serves("subscription_schedules.create")
def create_schedule(world: World, params: Object) -> Object:
    """Make a schedule from a subscription's current state.

    SDK, SubscriptionScheduleCreateParams.from_subscription: nothing else can be set with it.
    """
    if "from_subscription" not in params:
        raise invalid("The sandbox only makes schedules from subscriptions.", "from_subscription")
    subscription = subscriptions.running(world, params["from_subscription"])
    for name in sorted(params.keys() - {"from_subscription"}):
        raise invalid(f"You cannot set `{name}` if `from_subscription` is set.", name)
    if attached := subscription["schedule"]:
        raise invalid(
            f"You cannot migrate a subscription that is already attached to a schedule: {attached}",
            "from_subscription",
        )
    tax = subscription["automatic_tax"]
    phase = _phase_of(subscription)
    schedule = world.new(
        "subscription_schedule",
        "sub_sched",
        billing_mode=subscription["billing_mode"],
        current_phase=phases.bounds(phase),
        customer=subscription["customer"],
        default_settings={
            "application_fee_percent": None,
            "automatic_tax": tax,
            "billing_cycle_anchor": "automatic",
            "billing_thresholds": None,
            "collection_method": subscription["collection_method"],
            "default_payment_method": subscription["default_payment_method"],
            "description": subscription["description"],
            "invoice_settings": subscription["invoice_settings"] | {"days_until_due": None},
            "on_behalf_of": None,
            "transfer_data": None,
        },
        end_behavior="release",
        metadata={},
        pause_schedules=[],
        phases=[phase],
        status="active",
        subscription=subscription["id"],
    )
    world.emit("subscription_schedule.created", schedule)
    world.save(subscription | {"schedule": schedule["id"]}, "customer.subscription.updated")
    return schedule


def _phase_of(subscription: Object) -> Object:
    """Return the phase that a subscription gets with a schedule: its current state."""
    items = items_of(subscription)
    on_trial = subscription["status"] == "trialing"
    return _phase(
        currency=subscription["currency"],
        discounts=discounts.running(subscription),
        end_date=period_end(subscription),
        items=[_item(item["price"], item["quantity"], metadata=item["metadata"]) for item in items],
        start_date=items[0]["current_period_start"],
        trial_end=subscription["trial_end"] if on_trial else None,
    )


def _phase(**fields: object) -> Object:
    return {
        "add_invoice_items": [],
        "application_fee_percent": None,
        "automatic_tax": None,
        "billing_cycle_anchor": None,
        "billing_thresholds": None,
        "collection_method": None,
        "default_payment_method": None,
        "default_tax_rates": [],
        "description": None,
        "invoice_settings": None,
        "metadata": {},
        "on_behalf_of": None,
        "proration_behavior": "create_prorations",
        "transfer_data": None,
        "trial": None,
    } | fields


def _item(price: Object, quantity: int, metadata: Object) -> Object:
    return {
        "billing_thresholds": None,
        "discounts": [],
        "metadata": metadata,
        "plan": price["id"],
        "price": price["id"],
        "quantity": quantity,
        "tax_rates": [],
    }


@serves("subscription_schedules.update")
def update_schedule(world: World, params: Object, schedule_id: str) -> Object:
    schedule = _active(world, schedule_id, "update", "updated")
    merge_metadata(schedule, params)
    behavior = params.get("proration_behavior", "create_prorations")
    schedule["end_behavior"] = params.get("end_behavior", schedule["end_behavior"])
    if not (given := params.get("phases")):
        return world.save(schedule, "subscription_schedule.updated")
    subscription = world.get("subscription", schedule["subscription"])
    schedule["phases"] = _phases(world, given, schedule, subscription)
    running = phases.at(schedule["phases"], world.now)
    if running is None:
        raise invalid("The phases of an active schedule must include now.", "phases")
    schedule["current_phase"] = phases.bounds(running)
    world.save(schedule, "subscription_schedule.updated")
    _apply(world, subscription, running, behavior)
    return world.get("subscription_schedule", schedule_id)


def _active(world: World, schedule_id: str, verb: str, done: str) -> Object:
    """Return the schedule if it can still be changed; the words are for the refusal."""
    schedule = world.get("subscription_schedule", schedule_id)
    if schedule["status"] != "active":
        raise invalid(
            f"You cannot {verb} a subscription schedule that is currently in the"
            f" `{schedule['status']}` status. It must be in `not_started`, `active` status to be"
            f" {done}."
        )
    return schedule


def _phases(
    world: World, given: list[Object], schedule: Object, subscription: Object
) -> list[Object]:
    """Return the phases of an update.

    SDK, SubscriptionScheduleUpdateParams.phases: each begins where the previous one ends, and past
    ones can be omitted.
    """
    if "start_date" not in given[0]:
        raise invalid(
            "The subscription schedule update is missing at least one phase with a `start_date` to"
            " anchor end dates to.",
            "phases",
        )
    made: list[Object] = []
    for index, phase in enumerate(map(Params, given)):
        name = f"phases[{index}]"
        before = made[-1]["end_date"] if made else _time(world, given[0]["start_date"])
        start = _time(world, phase.get("start_date") or before)
        if start != before:
            raise invalid("A phase must start when the one before it ends.", f"{name}[start_date]")
        made.append(_given_phase(world, phase, start, subscription, name))
    if schedule["current_phase"]["start_date"] not in [phase["start_date"] for phase in made]:
        raise invalid(
            "You can not modify the start date of the current phase.", "phases[0][start_date]"
        )
    return made


def _time(world: World, given: int | str) -> int:
    return world.now if given == "now" else int(given)


def _given_phase(
    world: World, given: Params, start: int, subscription: Object, name: str
) -> Object:
    items, prices = _given_items(world, given["items"], name)
    end = _end(world, given, start, prices[0], name)
    currency = given.get("currency", subscription["currency"])
    if {currency} != {price["currency"] for price in prices}:
        raise invalid("All prices of a subscription must have the same currency.", f"{name}[items]")
    phase = _phase(
        automatic_tax=_tax(given.get("automatic_tax")),
        currency=currency,
        default_payment_method=given.get("default_payment_method"),
        description=given.get("description"),
        discounts=discounts.of_phase(world, given.get("discounts"), subscription),
        end_date=end,
        items=items,
        metadata=given.get("metadata", {}),
        proration_behavior=given.get("proration_behavior", "create_prorations"),
        start_date=start,
        trial=given.get("trial"),
        trial_end=_trial_end(world, given, start, end, name),
    )
    given.check_read()
    return phase


def _given_items(world: World, given: list[Object], name: str) -> tuple[list[Object], list[Object]]:
    """Return the items of a phase, and their prices."""
    items, prices = [], []
    for index, raw in enumerate(given):
        item = Params(raw)
        price = price_from(world, item, f"{name}[items][{index}]")
        if item.get("discounts"):
            raise invalid("The sandbox has no discounts on items.", f"{name}[items][{index}]")
        items.append(_item(price, item.get("quantity", 1), item.get("metadata", {})))
        item.check_read()
        prices.append(price)
    check_prices(prices, f"{name}[items]")
    return items, prices


def _end(world: World, given: Object, start: int, price: Object, name: str) -> int:
    """SDK, SubscriptionScheduleUpdateParamsPhase.duration: not with ``end_date``."""
    duration, end = given.get("duration"), given.get("end_date")
    if duration and end is not None:
        raise invalid("You may only specify one of these parameters: duration, end_date.", name)
    if duration:
        return shift(start, duration["interval"], duration.get("interval_count", 1))
    end = period_of(price, start)[1] if end is None else _time(world, end)
    if end <= start:
        raise invalid("A phase must end after it starts.", f"{name}[end_date]")
    return end


def _tax(given: Object | None) -> Object | None:
    return given and {"disabled_reason": None, "liability": None} | given


def _trial_end(world: World, given: Object, start: int, end: int, name: str) -> int | None:
    """SDK, SubscriptionScheduleUpdateParamsPhase.trial_end: within the phase.

    With ``trial`` it is the end of the phase (docs.stripe.com/changelog, 2026-07-29).
    """
    trial_end = given.get("trial_end")
    if trial_end is None:
        return end if given.get("trial") else None
    trial_end = _time(world, trial_end)
    if not start <= trial_end <= end or (given.get("trial") and trial_end != end):
        raise invalid("`trial_end` must be within the phase.", f"{name}[trial_end]")
    return trial_end


def _apply(world: World, subscription: Object, phase: Object, behavior: str) -> None:
    """Apply the current phase to a subscription at once."""
    phases.enter(world, subscription, phase)
    world.save(subscription, "customer.subscription.updated")
    pairs = phases.paired(phase["items"], items_of(subscription))
    kept = {old["id"] for _wanted, old in pairs if old}
    items = [
        {key: wanted[key] for key in ("price", "quantity", "metadata")}
        | ({"id": old["id"]} if old else {})
        for wanted, old in pairs
    ] + [
        {"id": item["id"], "deleted": True}
        for item in items_of(subscription)
        if item["id"] not in kept
    ]
    changes.change_items(world, subscription, {"items": items, "proration_behavior": behavior})
    subscription = world.get("subscription", subscription["id"])
    wanted_end = phase["trial_end"] if (phase["trial_end"] or 0) > world.now else None
    on_trial = subscription["status"] == "trialing"
    if wanted_end != (subscription["trial_end"] if on_trial else None):
        subscriptions.move_trial(world, subscription, wanted_end or "now")


@serves("subscription_schedules.retrieve")
def retrieve_schedule(world: World, params: Object, schedule_id: str) -> Object:
    return world.get("subscription_schedule", schedule_id)


@serves("subscription_schedules.list")
def list_schedules(world: World, params: Object) -> Object:
    found = world.all("subscription_schedule", customer=params.get("customer"))
    return world.page(found, params, "/v1/subscription_schedules")


@serves("subscription_schedules.release")
def release_schedule(world: World, params: Object, schedule_id: str) -> Object:
    schedule = _active(world, schedule_id, "release", "released")
    subscription = world.get("subscription", schedule["subscription"])
    phases.end_schedule(world, schedule | {"end_behavior": "release"}, subscription)
    world.save(subscription, "customer.subscription.updated")
    return world.get("subscription_schedule", schedule_id)


@serves("subscription_schedules.cancel")
def cancel_schedule(world: World, params: Object, schedule_id: str) -> Object:
    schedule = _active(world, schedule_id, "cancel", "canceled")
    subscription = world.get("subscription", schedule["subscription"])
    schedule |= {"status": "canceled", "canceled_at": world.now, "current_phase": None}
    world.save(schedule, "subscription_schedule.canceled")
    lifecycle.finish(world, subscription | {"schedule": None})
    return schedule
