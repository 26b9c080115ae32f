"""Requests about subscriptions."""

from __future__ import annotations

from typing import Any

from quickscale_stripe_sandbox.internal.errors import invalid
from quickscale_stripe_sandbox.internal.routes import serves
from quickscale_stripe_sandbox.internal.world import Object, World, included, merge_metadata
from quickscale_stripe_sandbox.operations import changes, invoices, lifecycle
from quickscale_stripe_sandbox.operations.subscription_items import (
    full_lines,
    items_of,
    part_line,
    period_of,
)

#: docs.stripe.com/billing/subscriptions/pending-updates-reference#supported-attributes
_PENDING = {
    "add_invoice_items", "billing_cycle_anchor", "discounts", "items", "off_session",
    "payment_behavior", "proration_behavior", "proration_date", "trial_end", "trial_from_plan",
}  # fmt: skip


@serves("subscriptions.create")
def create(world: World, params: Object) -> Object:
    if "customer" not in params:
        raise invalid("Missing required param: customer.", "customer", "parameter_missing")
    customer = world.get("customer", params["customer"], "customer")
    if not params.get("items"):
        raise invalid("Missing required param: items.", "items", "parameter_missing")
    behavior = params.get("payment_behavior", "allow_incomplete")
    default = customer["invoice_settings"]["default_payment_method"]
    method = params.get("default_payment_method") or default
    on_trial = lifecycle.trial_end_of(world, params) is not None
    if not method and not on_trial and behavior != "default_incomplete":
        raise invalid(
            "This customer has no attached payment source or default payment method.",
            code="resource_missing",
        )
    subscription, invoice = lifecycle.begin(world, customer["id"], params["items"], params)
    if invoice["status"] == "open" and behavior == "default_incomplete":
        invoices.prepare(world, invoice)
    elif invoice["status"] == "open":
        invoice = invoices.charge(
            world, invoice, off_session=params.get("off_session", behavior == "error_if_incomplete")
        )
        if invoice["status"] != "paid" and behavior == "error_if_incomplete":
            raise invoices.declined(world, invoice, keep=False)
    return world.get("subscription", subscription["id"])


@serves("subscriptions.retrieve")
def retrieve(world: World, params: Object, subscription_id: str) -> Object:
    return world.get("subscription", subscription_id)


@serves("subscriptions.update")
def update(world: World, params: Object, subscription_id: str) -> Object:
    subscription = running(world, subscription_id)
    _check_pending(params)
    merge_metadata(subscription, params)
    for key in {"default_payment_method", "description"} & params.keys():
        subscription[key] = params[key] or None
    if method_id := params.get("default_payment_method"):
        world.get("payment_method", method_id, "default_payment_method")
    if "pause_collection" in params:
        lifecycle.pause(world, subscription, params["pause_collection"] or None)
    if "cancel_at_period_end" in params or "cancel_at" in params:
        if schedule := subscription["schedule"]:
            raise invalid(
                f"The subscription is managed by the subscription schedule `{schedule}`, and"
                " updating any cancelation behavior directly is not allowed. Please update the"
                " schedule instead."
            )
        lifecycle.set_end(world, subscription, params)
    world.save(subscription, "customer.subscription.updated")
    lifecycle.schedule_renewal(world, subscription)
    if "trial_end" in params:
        move_trial(world, subscription, params["trial_end"])
    if "items" in params or "billing_cycle_anchor" in params:
        changes.change_items(world, world.get("subscription", subscription_id), params)
    return world.get("subscription", subscription_id)


def _check_pending(params: Object) -> None:
    """Refuse parameters that a change can't have while it waits for its payment."""
    other = sorted(params.keys() - _PENDING)
    if other and params.get("payment_behavior") == "pending_if_incomplete":
        raise invalid(
            f"You can not pass {', '.join(other)} when `payment_behavior` is"
            " `pending_if_incomplete`.",
            other[0],
        )


def running(world: World, subscription_id: str) -> Object:
    subscription = world.get("subscription", subscription_id)
    if subscription["status"] in lifecycle.ENDED:
        raise invalid("A canceled subscription can only update its cancellation_details.")
    return subscription


def move_trial(world: World, subscription: Object, end: Any) -> None:
    """Move the end of a trial to another time, or ``"now"``."""
    at = world.now if end == "now" else int(end)
    subscription["trial_end"] = at
    for item in items_of(subscription):
        item["current_period_end"] = at
    if at > world.now:
        subscription |= {"status": "trialing", "billing_cycle_anchor": at}
        subscription["trial_start"] = subscription["trial_start"] or world.now
    world.save(subscription, "customer.subscription.updated")
    lifecycle.schedule_renewal(world, subscription)
    if at <= world.now:
        lifecycle.renew(world, subscription["id"])


@serves("subscriptions.cancel")
def cancel(world: World, params: Object, subscription_id: str) -> Object:
    subscription = world.get("subscription", subscription_id)
    if subscription["status"] in lifecycle.ENDED:
        raise invalid(f"No such subscription: '{subscription_id}'", "id", "resource_missing")
    details = params.get("cancellation_details", {})
    subscription["cancellation_details"] |= {
        key: details[key] or None for key in {"comment", "feedback"} & details.keys()
    }
    subscription = lifecycle.finish(world, subscription)
    if params.get("prorate") and params.get("invoice_now"):
        lines = [
            part_line(world, subscription, item, world.now, credit=True)
            for item in items_of(subscription)
        ]
        lifecycle.bill(world, subscription, lines, "subscription_update")
    return world.get("subscription", subscription_id)


@serves("subscriptions.resume")
def resume(world: World, params: Object, subscription_id: str) -> Object:
    subscription = world.get("subscription", subscription_id)
    if subscription["status"] != "paused":
        raise invalid("You can only resume a paused subscription.")
    subscription |= {"status": "active", "billing_cycle_anchor": world.now}
    subscription.pop("status_details", None)
    for item in items_of(subscription):
        start, end = period_of(item["price"], world.now)
        item |= {"current_period_start": start, "current_period_end": end}
    world.save(subscription, "customer.subscription.updated")
    world.emit("customer.subscription.resumed", subscription)
    lifecycle.schedule_renewal(world, subscription)
    lines = full_lines(world, subscription, items_of(subscription))
    invoices.charge(world, lifecycle.bill(world, subscription, lines, "subscription_update"))
    return world.get("subscription", subscription_id)


@serves("subscriptions.list")
def listing(world: World, params: Object) -> Object:
    found = world.all("subscription", customer=params.get("customer"))
    status = params.get("status")
    if status is None:
        found = [value for value in found if value["status"] not in lifecycle.ENDED]
    elif status == "ended":
        found = [value for value in found if value["status"] in lifecycle.ENDED]
    elif status != "all":
        found = [value for value in found if value["status"] == status]
    if price := params.get("price"):
        found = [
            value for value in found if price in {item["price"]["id"] for item in items_of(value)}
        ]
    return world.page(found, params, "/v1/subscriptions")


@included("customer", "subscriptions")
def _included_subscriptions(world: World, customer: Object) -> Object:
    return listing(world, {"customer": customer["id"]})


@serves("subscription_items.list")
def list_items(world: World, params: Object) -> Object:
    subscription = world.get("subscription", params["subscription"], "subscription")
    return world.page(items_of(subscription), params, "/v1/subscription_items")
