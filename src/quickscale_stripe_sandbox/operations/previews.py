"""Preview invoices: what a change or a renewal would cost."""

from __future__ import annotations

from copy import deepcopy

from quickscale_stripe_sandbox.internal.errors import invalid
from quickscale_stripe_sandbox.internal.periods import next_end
from quickscale_stripe_sandbox.internal.routes import serves
from quickscale_stripe_sandbox.internal.world import Object, World, token
from quickscale_stripe_sandbox.operations import changes, invoices
from quickscale_stripe_sandbox.operations.catalogue import price_from
from quickscale_stripe_sandbox.operations.subscription_items import (
    full_lines,
    interval_of,
    new_item,
    period_of,
)


@serves("invoices.create_preview")
def preview(world: World, params: Object) -> Object:
    """Return the invoice that a change would cause at once, else that of the next renewal."""
    details = params.get("subscription_details", {})
    if "subscription" not in params:
        return _preview_new(world, params, details)
    subscription = world.get("subscription", params["subscription"], "subscription")
    change = changes.plan_change(world, subscription, details)
    at_once = details.get("proration_behavior") == "always_invoice" or change.anchor is not None
    lines = [*subscription["_pending_lines"], *change.lines]
    if at_once and change.lines:
        return _preview(world, subscription["customer"], lines, "subscription_update", subscription)
    upcoming = deepcopy(subscription) | {"status": "active"}
    for item in change.items:
        interval, count = interval_of(item["price"])
        start = item["current_period_end"]
        end = next_end(subscription["billing_cycle_anchor"], start, interval, count)
        item |= {"current_period_start": start, "current_period_end": end}
    lines += full_lines(world, upcoming, change.items)
    return _preview(world, subscription["customer"], lines, "upcoming", subscription)


def _preview_new(world: World, params: Object, details: Object) -> Object:
    if "customer" not in params:
        raise invalid("You must provide `customer` or `subscription`.", "customer")
    draft: Object = {"id": None, "metadata": {}, "status": "active", "currency": "usd"}
    items = []
    for index, given in enumerate(details.get("items", [])):
        price = price_from(world, given, f"subscription_details[items][{index}]")
        items.append(new_item("", price, given, period_of(price, world.now)))
    lines = full_lines(world, draft, items)
    return _preview(world, params["customer"], lines, "upcoming", None)


def _preview(
    world: World, customer_id: str, lines: list[Object], reason: str, subscription: Object | None
) -> Object:
    customer = world.get("customer", customer_id, "customer")
    invoice = invoices.draft(world, customer, lines, reason, subscription)
    invoice_id = f"upcoming_in_{token()}"
    for entry in invoice["lines"]["data"]:
        entry["invoice"] = invoice_id
    return invoice | {"id": invoice_id}
