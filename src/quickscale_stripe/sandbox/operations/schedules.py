"""Requests about subscription schedules."""

from __future__ import annotations

from quickscale_stripe.sandbox.errors import invalid
from quickscale_stripe.sandbox.operations import lifecycle, phases, subscriptions
from quickscale_stripe.sandbox.operations.catalogue import price_from
from quickscale_stripe.sandbox.operations.subscription_items import items_of, period_end, period_of
from quickscale_stripe.sandbox.periods import shift
from quickscale_stripe.sandbox.routes import serves
from quickscale_stripe.sandbox.world import Object, World, merge_metadata


@serves("subscription_schedules.create")
def create_schedule(world: World, params: Object) -> Object:
    if "from_subscription" not in params:
        raise invalid("The sandbox makes schedules of subscriptions only.", "from_subscription")
    subscription = subscriptions.running(world, params["from_subscription"])
    if subscription["schedule"]:
        raise invalid("This subscription already has a schedule.", "from_subscription")
    start = items_of(subscription)[0]["current_period_start"]
    end = period_end(subscription)
    items = [
        {"price": item["price"]["id"], "quantity": item["quantity"]}
        for item in items_of(subscription)
    ]
    schedule = world.new(
        "subscription_schedule",
        "sub_sched",
        billing_mode=subscription["billing_mode"],
        current_phase={"start_date": start, "end_date": end},
        customer=subscription["customer"],
        default_settings={
            "application_fee_percent": None,
            "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
            "billing_cycle_anchor": "automatic",
            "billing_thresholds": None,
            "collection_method": "charge_automatically",
            "default_payment_method": None,
            "description": None,
            "invoice_settings": subscription["invoice_settings"] | {"days_until_due": None},
            "on_behalf_of": None,
            "transfer_data": None,
        },
        end_behavior=params.get("end_behavior", "release"),
        metadata=params.get("metadata", {}) or {},
        pause_schedules=[],
        phases=[_phase(world, {"items": items}, start, end)],
        status="active",
        subscription=subscription["id"],
    )
    world.emit("subscription_schedule.created", schedule)
    world.save(subscription | {"schedule": schedule["id"]}, "customer.subscription.updated")
    return schedule


def _phase(world: World, given: Object, start: int, end: int) -> Object:
    items = []
    for index, item in enumerate(given["items"]):
        price = price_from(world, item, f"phases[items][{index}]")
        items.append(
            {
                "billing_thresholds": None,
                "discounts": [],
                "metadata": item.get("metadata", {}) or {},
                "plan": price["id"],
                "price": price["id"],
                "quantity": item.get("quantity", 1),
                "tax_rates": [],
            }
        )
    return {
        "add_invoice_items": [],
        "application_fee_percent": None,
        "billing_cycle_anchor": None,
        "billing_thresholds": None,
        "collection_method": None,
        "currency": price["currency"],
        "default_payment_method": None,
        "default_tax_rates": [],
        "description": None,
        "discounts": [],
        "end_date": end,
        "invoice_settings": None,
        "items": items,
        "metadata": given.get("metadata", {}) or {},
        "on_behalf_of": None,
        "proration_behavior": given.get("proration_behavior", "create_prorations"),
        "start_date": start,
        "transfer_data": None,
        "trial_end": None,
    }


@serves("subscription_schedules.update")
def update_schedule(world: World, params: Object, schedule_id: str) -> Object:
    schedule = world.get("subscription_schedule", schedule_id)
    if schedule["status"] != "active":
        raise invalid(f"You cannot update a schedule that is {schedule['status']}.")
    merge_metadata(schedule, params)
    # Phases begin where a period ends, so that nothing is left to prorate.
    params.pop("proration_behavior", None)
    schedule["end_behavior"] = params.get("end_behavior", schedule["end_behavior"])
    if given := params.get("phases"):
        schedule["phases"] = _phases(world, given, schedule)
        first = schedule["phases"][0]
        schedule["current_phase"] = {key: first[key] for key in ("start_date", "end_date")}
    return world.save(schedule, "subscription_schedule.updated")


def _phases(world: World, given: list[Object], schedule: Object) -> list[Object]:
    phases: list[Object] = []
    for phase in given:
        start = phase.get("start_date") or (phases[-1]["end_date"] if phases else None)
        if start is None:
            start = schedule["phases"][0]["start_date"]
        if start == "now":
            start = world.now
        end = phase.get("end_date")
        if duration := phase.get("duration"):
            end = shift(start, duration["interval"], duration.get("interval_count", 1))
        if end is None or end == "now":
            price = price_from(world, phase["items"][0], "phases[items][0]")
            end = period_of(price, start)[1]
        phases.append(_phase(world, phase, start, end))
    return phases


@serves("subscription_schedules.retrieve")
def retrieve_schedule(world: World, params: Object, schedule_id: str) -> Object:
    return world.get("subscription_schedule", schedule_id)


@serves("subscription_schedules.list")
def list_schedules(world: World, params: Object) -> Object:
    found = world.all("subscription_schedule", customer=params.get("customer"))
    return world.page(found, params, "/v1/subscription_schedules")


@serves("subscription_schedules.release")
def release_schedule(world: World, params: Object, schedule_id: str) -> Object:
    schedule = world.get("subscription_schedule", schedule_id)
    if schedule["status"] != "active":
        raise invalid(f"You cannot release a schedule that is {schedule['status']}.")
    subscription = world.get("subscription", schedule["subscription"])
    phases.end_schedule(world, schedule | {"end_behavior": "release"}, subscription)
    world.save(subscription, "customer.subscription.updated")
    return world.get("subscription_schedule", schedule_id)


@serves("subscription_schedules.cancel")
def cancel_schedule(world: World, params: Object, schedule_id: str) -> Object:
    schedule = world.get("subscription_schedule", schedule_id)
    if schedule["status"] != "active":
        raise invalid(f"You cannot cancel a schedule that is {schedule['status']}.")
    subscription = world.get("subscription", schedule["subscription"])
    schedule |= {"status": "canceled", "canceled_at": world.now, "current_phase": None}
    world.save(schedule, "subscription_schedule.canceled")
    lifecycle.finish(world, subscription | {"schedule": None})
    return schedule
