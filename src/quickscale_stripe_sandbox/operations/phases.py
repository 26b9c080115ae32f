"""What a schedule does to its subscription when a phase begins, and when the last one ends."""

from __future__ import annotations

from quickscale_stripe_sandbox.internal.world import Object, World, merge_metadata
from quickscale_stripe_sandbox.operations import discounts
from quickscale_stripe_sandbox.operations.subscription_items import (
    interval_of,
    items_of,
    new_item,
    period_end,
)


def bounds(phase: Object) -> Object:
    """Return a phase as ``current_phase`` shows it."""
    return {"start_date": phase["start_date"], "end_date": phase["end_date"]}


def at(phases: list[Object], now: int) -> Object | None:
    """Return the phase at this time."""
    running = (phase for phase in phases if phase["start_date"] <= now < phase["end_date"])
    return next(running, None)


def next_phase(world: World, subscription: Object) -> None:
    """At the end of a period, start the schedule's next phase, or end the schedule."""
    schedule = world.find(subscription["schedule"])
    if schedule is None:
        return
    phase = at(schedule["phases"], world.now)
    if phase is None:
        end_schedule(world, schedule, subscription)
        return
    if bounds(phase) == schedule["current_phase"]:
        return
    world.save(schedule | {"current_phase": bounds(phase)}, "subscription_schedule.updated")
    start = period_end(subscription)
    subscription["items"]["data"] = [
        _phase_item(world, subscription, wanted, old, start)
        for wanted, old in paired(phase["items"], items_of(subscription))
    ]
    enter(world, subscription, phase)
    trial_end = phase["trial_end"]
    if trial_end and trial_end > world.now:
        subscription |= {
            "billing_cycle_anchor": trial_end,
            "status": "trialing",
            "trial_end": trial_end,
            "trial_start": world.now,
        }


def paired(wanted: list[Object], old: list[Object]) -> list[tuple[Object, Object | None]]:
    """Pair each item of a phase with the old item that it continues: by price, else by position."""
    left = {item["price"]["id"]: item for item in old}
    same = [left.pop(item["price"], None) for item in wanted]
    others = iter(left.values())
    return [(item, found or next(others, None)) for item, found in zip(wanted, same, strict=True)]


def _phase_item(
    world: World, subscription: Object, wanted: Object, old: Object | None, start: int
) -> Object:
    price = world.get("price", wanted["price"])
    item = new_item(subscription["id"], price, wanted, (start, start))
    if old is None:
        return item
    if interval_of(price) != interval_of(old["price"]):
        subscription["billing_cycle_anchor"] = start
    metadata = old["metadata"] | wanted["metadata"]
    return item | {"id": old["id"], "created": old["created"], "metadata": metadata}


def enter(world: World, subscription: Object, phase: Object) -> None:
    """Apply a phase's settings for the subscription as a whole, except its trial.

    SDK, Phase.metadata: keys are added and replaced, but not removed.
    """
    discounts.enter_phase(world, subscription, phase["discounts"])
    merge_metadata(subscription, {"metadata": phase["metadata"]})
    for key in ("default_payment_method", "description"):
        subscription[key] = phase[key] or subscription[key]
    if phase["automatic_tax"]:
        subscription["automatic_tax"] |= {"enabled": phase["automatic_tax"]["enabled"]}


def end_schedule(world: World, schedule: Object, subscription: Object) -> None:
    subscription["schedule"] = None
    schedule |= {"current_phase": None, "subscription": None}
    if schedule["end_behavior"] == "release":
        schedule |= {"released_at": world.now, "released_subscription": subscription["id"]}
    schedule["status"] = "released" if schedule["end_behavior"] == "release" else "completed"
    world.save(schedule)
    world.emit(f"subscription_schedule.{schedule['status']}", schedule)
