"""What a schedule does to its subscription when a period ends."""

from __future__ import annotations

from quickscale_stripe.sandbox.operations.subscription_items import (
    interval_of,
    items_of,
    new_item,
    period_end,
)
from quickscale_stripe.sandbox.world import Object, World


def next_phase(world: World, subscription: Object) -> None:
    """At the end of a period, let the schedule put the items of its next phase in place."""
    schedule = world.find(subscription["schedule"])
    if schedule is None:
        return
    phases = schedule["phases"]
    current = [phase for phase in phases if phase["start_date"] <= world.now < phase["end_date"]]
    if not current:
        end_schedule(world, schedule, subscription)
        return
    [phase] = current
    running = {"start_date": phase["start_date"], "end_date": phase["end_date"]}
    if running == schedule["current_phase"]:
        return
    world.save(schedule | {"current_phase": running}, "subscription_schedule.updated")
    start = period_end(subscription)
    old = items_of(subscription)
    subscription["items"]["data"] = [
        _phase_item(world, subscription, wanted, old[index] if index < len(old) else None, start)
        for index, wanted in enumerate(phase["items"])
    ]
    if phase is phases[-1] and schedule["end_behavior"] == "release":
        end_schedule(world, world.get("subscription_schedule", schedule["id"]), subscription)


def _phase_item(
    world: World, subscription: Object, wanted: Object, old: Object | None, start: int
) -> Object:
    """The item of a phase, which keeps the id of the one in its place."""
    price = world.get("price", wanted["price"])
    item = new_item(subscription["id"], price, wanted, (start, start))
    if old is None:
        return item
    if interval_of(price) != interval_of(old["price"]):
        subscription["billing_cycle_anchor"] = start
    return item | {"id": old["id"], "created": old["created"]}


def end_schedule(world: World, schedule: Object, subscription: Object) -> None:
    subscription["schedule"] = None
    schedule |= {"current_phase": None, "subscription": None}
    if schedule["end_behavior"] == "release":
        schedule |= {"released_at": world.now, "released_subscription": subscription["id"]}
    schedule["status"] = "released" if schedule["end_behavior"] == "release" else "completed"
    world.save(schedule)
    world.emit(f"subscription_schedule.{schedule['status']}", schedule)
