"""Changes of a subscription's items, and what a paid or failed invoice does to it."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field

from quickscale_stripe_sandbox.internal.errors import invalid
from quickscale_stripe_sandbox.internal.world import Object, World, merge_metadata, task
from quickscale_stripe_sandbox.operations import invoices, lifecycle, payments
from quickscale_stripe_sandbox.operations.catalogue import price_from
from quickscale_stripe_sandbox.operations.subscription_items import (
    check_prices,
    full_line,
    interval_of,
    items_of,
    new_item,
    part_line,
    period_end,
    period_of,
    plan_of,
)


@dataclass
class Change:
    """The effect of changing items: the new items, and the lines that the change brings.

    ``anchor`` is the start of new periods, if the change begins them.
    """

    items: list[Object]
    lines: list[Object] = field(default_factory=list)
    anchor: int | None = None


def plan_change(world: World, subscription: Object, params: Object) -> Change:
    """Return the effect of ``items`` and of the parameters for proration and the billing cycle.

    Prorations are by the second, as docs.stripe.com/billing/subscriptions/prorations says.
    """
    old = items_of(subscription)
    new = _changed_items(world, subscription, params.get("items", []))
    at = params.get("proration_date", world.now)
    if not min(item["current_period_start"] for item in old) <= at <= period_end(subscription):
        raise invalid("Cannot specify `proration_date` outside of current period", "proration_date")
    before = {item["id"]: item for item in old}
    other_interval = any(
        interval_of(item["price"]) != interval_of(before[item["id"]]["price"])
        for item in new
        if item["id"] in before
    )
    anchor = params.get("billing_cycle_anchor") or {}
    resets = other_interval or (isinstance(anchor, dict) and anchor.get("type") == "now")
    change = Change(new, anchor=at if resets else None)
    if subscription["status"] == "trialing":
        return Change(new)
    prorate = params.get("proration_behavior", "create_prorations") != "none"
    after = {item["id"]: item for item in new}
    for item in old:
        same = _same(item, after.get(item["id"]))
        if prorate and (resets or not same):
            change.lines.append(part_line(world, subscription, item, at, credit=True))
    for item in new:
        if resets:
            start, end = period_of(item["price"], at)
            item |= {"current_period_start": start, "current_period_end": end}
            change.lines.append(full_line(world, subscription, item))
        elif prorate and not _same(item, before.get(item["id"])):
            change.lines.append(part_line(world, subscription, item, at, credit=False))
    return change


def _changed_items(world: World, subscription: Object, given: list[Object]) -> list[Object]:
    items = {item["id"]: deepcopy(item) for item in items_of(subscription)}
    first = next(iter(items.values()))
    for index, change in enumerate(given):
        name = f"items[{index}]"
        if "id" not in change:
            price = price_from(world, change, name)
            period = (first["current_period_start"], first["current_period_end"])
            item = new_item(subscription["id"], price, change, period)
            items[item["id"]] = item
            continue
        if change["id"] not in items:
            raise invalid(f"No such subscription item: '{change['id']}'", f"{name}[id]")
        if change.get("deleted"):
            del items[change["id"]]
            continue
        item = items[change["id"]]
        if "price" in change or "price_data" in change:
            item["price"] = price_from(world, change, name)
            item["plan"] = plan_of(item["price"])
        if "quantity" in change:
            item["quantity"] = change["quantity"]
        merge_metadata(item, dict(change))
    if not items:
        raise invalid("A subscription must have at least one active item.", "items")
    check_prices([item["price"] for item in items.values()])
    return list(items.values())


def _same(item: Object, other: Object | None) -> bool:
    return other is not None and (
        (item["price"]["id"], item["quantity"]) == (other["price"]["id"], other["quantity"])
    )


def change_items(world: World, subscription: Object, params: Object) -> None:
    change = plan_change(world, subscription, params)
    behavior = params.get("payment_behavior", "allow_incomplete")
    at_once = params.get("proration_behavior") == "always_invoice" or change.anchor is not None
    if not (at_once and change.lines):
        subscription["_pending_lines"] += change.lines
        _apply(world, subscription, change.items, change.anchor)
        return
    tentative = behavior == "pending_if_incomplete"
    if not tentative:
        _apply(world, subscription, change.items, change.anchor)
    lines = [*subscription["_pending_lines"], *change.lines]
    world.save(subscription | {"_pending_lines": []})
    invoice = lifecycle.bill(world, subscription, lines, "subscription_update")
    if invoice["status"] == "open" and behavior != "default_incomplete":
        if tentative:
            world.save(invoice | {"_tentative": True})
        invoice = invoices.charge(world, world.get("invoice", invoice["id"]))
    if invoice["status"] != "paid" and behavior == "error_if_incomplete":
        raise invoices.declined(world, invoice, keep=False)
    if tentative:
        subscription = world.get("subscription", subscription["id"])
        if invoice["status"] == "paid":
            _apply(world, subscription, change.items, change.anchor)
        else:
            _put_off(world, subscription, change, invoice)


def _apply(world: World, subscription: Object, items: list[Object], anchor: int | None) -> None:
    subscription["items"]["data"] = items
    if anchor is not None:
        subscription["billing_cycle_anchor"] = anchor
    world.save(subscription, "customer.subscription.updated")
    lifecycle.schedule_renewal(world, subscription)


def _put_off(world: World, subscription: Object, change: Change, invoice: Object) -> None:
    """Keep a change until its invoice is paid."""
    expires_at = world.now + lifecycle.PATIENCE
    subscription["_pending"] = {
        "items": change.items,
        "anchor": change.anchor,
        "invoice": invoice["id"],
    }
    subscription["pending_update"] = {
        "billing_cycle_anchor": change.anchor,
        "expires_at": expires_at,
        "subscription_items": change.items,
        "trial_end": None,
        "trial_from_plan": None,
    }
    world.save(subscription, "customer.subscription.updated")
    world.schedule(expires_at, expire_pending, subscription["id"])


def _apply_pending(world: World, subscription: Object) -> None:
    pending = subscription.pop("_pending")
    subscription["pending_update"] = None
    world.unschedule(expire_pending, subscription["id"])
    _apply(world, subscription, pending["items"], pending["anchor"])
    world.emit("customer.subscription.pending_update_applied", subscription)


@task
def expire_pending(world: World, subscription_id: str) -> None:
    subscription = world.get("subscription", subscription_id)
    pending = subscription.pop("_pending", None)
    if pending is None:
        return
    world.save(subscription | {"pending_update": None}, "customer.subscription.updated")
    invoices.void(world, world.get("invoice", pending["invoice"]))
    subscription = world.get("subscription", subscription_id)
    world.emit("customer.subscription.pending_update_expired", subscription)


@payments.follows_payment("subscription")
def _invoice_changed(world: World, subscription: Object, invoice: Object) -> None:
    pending = subscription.get("_pending")
    if pending and pending["invoice"] == invoice["id"]:
        if invoice["status"] == "paid":
            _apply_pending(world, subscription)
    elif subscription["status"] in lifecycle.ENDED:
        return
    elif invoice["status"] == "paid":
        if subscription["status"] in {"incomplete", "past_due", "unpaid"}:
            subscription["status"] = "active"
            world.save(subscription, "customer.subscription.updated")
    elif invoice["attempt_count"] > len(invoices.RETRY_AFTER):
        lifecycle.finish(world, subscription, "payment_failed")
    elif subscription["status"] == "active" and not invoice.get("_tentative"):
        subscription["status"] = "past_due"
        world.save(subscription, "customer.subscription.updated")
