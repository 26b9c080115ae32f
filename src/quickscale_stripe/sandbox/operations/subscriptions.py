"""Subscriptions: their periods, renewals, trials, changes and ends."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from quickscale_stripe.money import format_money
from quickscale_stripe.sandbox.errors import invalid
from quickscale_stripe.sandbox.operations import invoices, payments
from quickscale_stripe.sandbox.operations.catalogue import price_from
from quickscale_stripe.sandbox.periods import next_end, shift
from quickscale_stripe.sandbox.routes import serves
from quickscale_stripe.sandbox.world import (
    Object,
    World,
    included,
    merge_metadata,
    part,
    task,
    token,
)

_HOUR = 60 * 60
_DAY = 24 * _HOUR
_ENDED = {"canceled", "incomplete_expired"}
_RENEWS = {"active", "past_due", "trialing", "unpaid"}
#: A payment that is due when a subscription begins or changes is waited for this long.
_PATIENCE = 23 * _HOUR


# Items and periods -------------------------------------------------------------------------------


def _new_item(
    subscription_id: str, price: Object, given: Object, period: tuple[int, int]
) -> Object:
    return part(
        "subscription_item",
        id=f"si_{token(14)}",
        created=period[0],
        current_period_start=period[0],
        current_period_end=period[1],
        discounts=[],
        metadata=given.get("metadata", {}) or {},
        plan=_plan(price),
        price=price,
        quantity=given.get("quantity", 1),
        subscription=subscription_id,
        tax_rates=[],
    )


def _plan(price: Object) -> Object:
    """The same price in the form that Stripe still sends beside it."""
    same = ("active", "billing_scheme", "created", "currency", "id", "metadata", "nickname")
    return part(
        "plan",
        amount=price["unit_amount"],
        amount_decimal=price["unit_amount_decimal"],
        product=price["product"],
        **{key: price[key] for key in same},
        **price["recurring"],
    )


def _period(price: Object, start: int) -> tuple[int, int]:
    recurring = price["recurring"]
    return start, shift(start, recurring["interval"], recurring["interval_count"])


def _interval(price: Object) -> tuple[str, int]:
    return price["recurring"]["interval"], price["recurring"]["interval_count"]


def items_of(subscription: Object) -> list[Object]:
    items: list[Object] = subscription["items"]["data"]
    return items


def period_end(subscription: Object) -> int:
    return min(int(item["current_period_end"]) for item in items_of(subscription))


def _full_lines(world: World, subscription: Object, items: list[Object]) -> list[Object]:
    """A line for each item's whole period; nothing is due in a trial."""
    trial = subscription["status"] == "trialing"
    return [_full_line(world, subscription, item, trial) for item in items]


def _full_line(world: World, subscription: Object, item: Object, trial: bool = False) -> Object:
    price, quantity = item["price"], item["quantity"]
    name = world.get("product", price["product"])["name"]
    money = format_money(price["unit_amount"], price["currency"])
    described = f"{quantity} \N{MULTIPLICATION SIGN} {name} (at {money} / {_interval(price)[0]})"
    return invoices.line(
        price,
        quantity,
        0 if trial else price["unit_amount"] * quantity,
        f"Trial period for {name}" if trial else described,
        (item["current_period_start"], item["current_period_end"]),
        subscription=subscription,
        item=item["id"],
    )


# Beginning ---------------------------------------------------------------------------------------


def begin(
    world: World, customer_id: str, given: list[Object], params: Object
) -> tuple[Object, Object]:
    """A new subscription and its first invoice, which nobody has tried to pay yet.

    Args:
        given: the items, as ``subscriptions.create`` takes them.
        params: what else ``subscriptions.create`` takes.
    """
    subscription_id = f"sub_{token()}"
    trial_end = _trial_end(world, params)
    items = []
    for index, item in enumerate(given):
        price = price_from(world, item, f"items[{index}]")
        if price["type"] != "recurring":
            raise invalid(
                "The price specified is set to `type=one_time` but this field only accepts prices"
                " with `type=recurring`.",
                f"items[{index}][price]",
            )
        period = (world.now, trial_end) if trial_end else _period(price, world.now)
        items.append(_new_item(subscription_id, price, item, period))
    behavior = params.get("trial_settings", {}).get("end_behavior", {})
    subscription = world.new(
        "subscription",
        "sub",
        id=subscription_id,
        _pending_lines=[],
        automatic_tax={"disabled_reason": None, "enabled": False, "liability": None},
        billing_cycle_anchor=trial_end or world.now,
        billing_mode={
            "flexible": {"proration_discounts": "included"},
            "type": "flexible",
            "updated_at": None,
        },
        billing_schedules=[],
        cancel_at_period_end=False,
        cancellation_details={"comment": None, "feedback": None, "reason": None},
        collection_method="charge_automatically",
        currency=items[0]["price"]["currency"],
        customer=customer_id,
        default_payment_method=params.get("default_payment_method"),
        default_tax_rates=[],
        description=params.get("description"),
        discounts=[],
        invoice_settings={
            "account_tax_ids": None,
            "custom_fields": None,
            "description": None,
            "footer": None,
            "issuer": {"type": "self"},
        },
        items={
            "object": "list",
            "data": items,
            "has_more": False,
            "url": f"/v1/subscription_items?subscription={subscription_id}",
        },
        metadata=params.get("metadata", {}) or {},
        payment_settings={
            "payment_method_options": None,
            "payment_method_types": None,
            "save_default_payment_method": "off",
        },
        start_date=world.now,
        status="trialing" if trial_end else "incomplete",
        trial_end=trial_end,
        trial_settings={
            "end_behavior": {
                "missing_payment_method": behavior.get("missing_payment_method", "create_invoice")
            }
        },
        trial_start=world.now if trial_end else None,
    )
    world.emit("customer.subscription.created", subscription)
    if params.get("cancel_at_period_end"):
        _set_end(world, subscription, params)
    _schedule(world, subscription)
    lines = _full_lines(world, subscription, items)
    invoice = invoices.issue(world, customer_id, lines, "subscription_create", subscription)
    subscription = world.get("subscription", subscription_id)
    world.save(subscription | {"latest_invoice": invoice["id"]})
    if trial_end:
        world.schedule(max(world.now, trial_end - 3 * _DAY), trial_will_end, subscription_id)
    elif subscription["status"] == "incomplete":
        world.schedule(world.now + _PATIENCE, expire, subscription_id)
    return world.get("subscription", subscription_id), world.get("invoice", invoice["id"])


def _trial_end(world: World, params: Object) -> int | None:
    end = params.get("trial_end")
    if end and end != "now":
        if end <= world.now:
            raise invalid("Invalid timestamp: must be in the future", "trial_end")
        return int(end)
    days = params.get("trial_period_days", 0)
    return world.now + days * _DAY if days else None


def _schedule(world: World, subscription: Object) -> None:
    world.unschedule(renew, subscription["id"])
    if subscription["status"] not in _ENDED:
        at = min(period_end(subscription), subscription["cancel_at"] or period_end(subscription))
        world.schedule(at, renew, subscription["id"])


@task
def trial_will_end(world: World, subscription_id: str) -> None:
    subscription = world.get("subscription", subscription_id)
    if subscription["status"] == "trialing":
        world.emit("customer.subscription.trial_will_end", subscription)


@task
def expire(world: World, subscription_id: str) -> None:
    """A first payment that never came."""
    subscription = world.get("subscription", subscription_id)
    if subscription["status"] != "incomplete":
        return
    invoices.void(world, world.get("invoice", subscription["latest_invoice"]))
    subscription |= {"status": "incomplete_expired", "ended_at": world.now}
    world.save(subscription, "customer.subscription.updated")


# Going on ----------------------------------------------------------------------------------------


@task
def renew(world: World, subscription_id: str) -> None:
    """The end of a period: the subscription ends, or the next period begins and is charged."""
    subscription = world.get("subscription", subscription_id)
    end, cancel_at = period_end(subscription), subscription["cancel_at"]
    if subscription["status"] not in _RENEWS or min(end, cancel_at or end) > world.now:
        return
    if cancel_at and cancel_at <= world.now:
        finish(world, subscription, subscription["cancellation_details"]["reason"])
        return
    if subscription["status"] == "trialing" and not _end_trial(world, subscription):
        return
    _next_phase(world, subscription)
    for item in items_of(subscription):
        start = item["current_period_end"]
        interval, count = _interval(item["price"])
        anchor = subscription["billing_cycle_anchor"]
        item["current_period_start"] = start
        item["current_period_end"] = next_end(anchor, start, interval, count)
    lines = [
        *subscription["_pending_lines"],
        *_full_lines(world, subscription, items_of(subscription)),
    ]
    subscription["_pending_lines"] = []
    world.save(subscription, "customer.subscription.updated")
    _schedule(world, subscription)
    invoice = _bill(world, subscription, lines, "subscription_cycle")
    if (pause := subscription["pause_collection"]) is None:
        invoices.charge(world, invoice)
    elif invoice["status"] == "open" and pause["behavior"] == "void":
        invoices.void(world, invoice)
    elif invoice["status"] == "open" and pause["behavior"] == "mark_uncollectible":
        invoices.mark_uncollectible(world, {}, invoice["id"])


def _bill(world: World, subscription: Object, lines: list[Object], reason: str) -> Object:
    invoice = invoices.issue(world, subscription["customer"], lines, reason, subscription)
    subscription = world.get("subscription", subscription["id"])
    world.save(subscription | {"latest_invoice": invoice["id"]})
    return invoice


def _end_trial(world: World, subscription: Object) -> bool:
    """Whether the subscription goes on after its trial."""
    customer = world.get("customer", subscription["customer"])
    default = customer["invoice_settings"]["default_payment_method"]
    behavior = subscription["trial_settings"]["end_behavior"]["missing_payment_method"]
    if not (subscription["default_payment_method"] or default):
        if behavior == "cancel":
            finish(world, subscription, "payment_failed")
            return False
        if behavior == "pause":
            subscription["status"] = "paused"
            world.save(subscription, "customer.subscription.updated")
            world.emit("customer.subscription.paused", subscription)
            return False
    subscription |= {"status": "active", "billing_cycle_anchor": period_end(subscription)}
    return True


def finish(world: World, subscription: Object, reason: str | None = None) -> Object:
    """End a subscription now."""
    world.unschedule(renew, subscription["id"])
    subscription["cancellation_details"]["reason"] = reason or "cancellation_requested"
    subscription |= {
        "canceled_at": subscription["canceled_at"] or world.now,
        "ended_at": world.now,
        "status": "canceled",
    }
    world.save(subscription)
    world.emit("customer.subscription.deleted", subscription)
    return subscription


@payments.follows_payment("subscription")
def _invoice_changed(world: World, subscription: Object, invoice: Object) -> None:
    pending = subscription.get("_pending")
    if pending and pending["invoice"] == invoice["id"]:
        if invoice["status"] == "paid":
            _apply_pending(world, subscription)
    elif subscription["status"] in _ENDED:
        return
    elif invoice["status"] == "paid":
        if subscription["status"] in {"incomplete", "past_due", "unpaid"}:
            subscription["status"] = "active"
            world.save(subscription, "customer.subscription.updated")
    elif invoice["attempt_count"] > len(invoices.RETRY_AFTER):
        finish(world, subscription, "payment_failed")
    elif subscription["status"] == "active" and not invoice.get("_tentative"):
        subscription["status"] = "past_due"
        world.save(subscription, "customer.subscription.updated")


# Changing ----------------------------------------------------------------------------------------


@dataclass
class Change:
    """What a change of items means: the items after it, and the lines that it brings.

    ``anchor`` is the start of new periods, when the change begins them.
    """

    items: list[Object]
    lines: list[Object] = field(default_factory=list)
    anchor: int | None = None


def plan_change(world: World, subscription: Object, params: Object) -> Change:
    """What ``items``, ``proration_behavior``, ``proration_date`` and ``billing_cycle_anchor`` do.

    Prorations are by the second, as docs.stripe.com/billing/subscriptions/prorations has them.
    """
    old = items_of(subscription)
    new = _changed_items(world, subscription, params.get("items", []))
    at = params.get("proration_date", world.now)
    if not min(item["current_period_start"] for item in old) <= at <= period_end(subscription):
        raise invalid("Cannot specify `proration_date` outside of current period", "proration_date")
    before = {item["id"]: item for item in old}
    other_interval = any(
        _interval(item["price"]) != _interval(before[item["id"]]["price"])
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
            change.lines.append(_part_line(world, subscription, item, at, credit=True))
    for item in new:
        if resets:
            start, end = _period(item["price"], at)
            item |= {"current_period_start": start, "current_period_end": end}
            change.lines.append(_full_line(world, subscription, item))
        elif prorate and not _same(item, before.get(item["id"])):
            change.lines.append(_part_line(world, subscription, item, at, credit=False))
    return change


def _changed_items(world: World, subscription: Object, given: list[Object]) -> list[Object]:
    items = {item["id"]: deepcopy(item) for item in items_of(subscription)}
    first = next(iter(items.values()))
    for index, change in enumerate(given):
        name = f"items[{index}]"
        if "id" not in change:
            price = price_from(world, change, name)
            period = (first["current_period_start"], first["current_period_end"])
            item = _new_item(subscription["id"], price, change, period)
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
            item["plan"] = _plan(item["price"])
        if "quantity" in change:
            item["quantity"] = change["quantity"]
        merge_metadata(item, dict(change))
    if not items:
        raise invalid("A subscription must have at least one active item.", "items")
    return list(items.values())


def _same(item: Object, other: Object | None) -> bool:
    return other is not None and (
        (item["price"]["id"], item["quantity"]) == (other["price"]["id"], other["quantity"])
    )


def _part_line(
    world: World, subscription: Object, item: Object, at: int, *, credit: bool
) -> Object:
    start, end = item["current_period_start"], item["current_period_end"]
    share = (end - at) / (end - start)
    amount = round(item["price"]["unit_amount"] * item["quantity"] * share)
    name = world.get("product", item["price"]["product"])["name"]
    return invoices.line(
        item["price"],
        item["quantity"],
        -amount if credit else amount,
        f"Unused time on {name}" if credit else f"Remaining time on {name}",
        (at, end),
        subscription=subscription,
        item=item["id"],
        proration=True,
    )


def _change_items(world: World, subscription: Object, params: Object) -> None:
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
    invoice = _bill(world, subscription, lines, "subscription_update")
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
    _schedule(world, subscription)


def _put_off(world: World, subscription: Object, change: Change, invoice: Object) -> None:
    """Keep a change until its invoice is paid."""
    expires_at = world.now + _PATIENCE
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


def _set_end(world: World, subscription: Object, params: Object) -> None:
    """Make the subscription end later, or not after all."""
    at = params.get("cancel_at")
    if at in {"min_period_end", "max_period_end"} or params.get("cancel_at_period_end"):
        at = period_end(subscription)
    details = params.get("cancellation_details", {})
    subscription |= {
        "cancel_at": at or None,
        "cancel_at_period_end": bool(params.get("cancel_at_period_end")),
        "canceled_at": world.now if at else None,
        "cancellation_details": {
            "comment": details.get("comment") or None,
            "feedback": details.get("feedback") or None,
            "reason": "cancellation_requested" if at else None,
        },
    }


# Schedules ---------------------------------------------------------------------------------------


def _next_phase(world: World, subscription: Object) -> None:
    """At the end of a period, let the schedule put the items of its next phase in place."""
    schedule = world.find(subscription["schedule"])
    if schedule is None:
        return
    phases = schedule["phases"]
    current = [phase for phase in phases if phase["start_date"] <= world.now < phase["end_date"]]
    if not current:
        _end_schedule(world, schedule, subscription)
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
        _end_schedule(world, world.get("subscription_schedule", schedule["id"]), subscription)


def _phase_item(
    world: World, subscription: Object, wanted: Object, old: Object | None, start: int
) -> Object:
    """The item of a phase, which keeps the id of the one in its place."""
    price = world.get("price", wanted["price"])
    item = _new_item(subscription["id"], price, wanted, (start, start))
    if old is None:
        return item
    if _interval(price) != _interval(old["price"]):
        subscription["billing_cycle_anchor"] = start
    return item | {"id": old["id"], "created": old["created"]}


def _end_schedule(world: World, schedule: Object, subscription: Object) -> None:
    subscription["schedule"] = None
    schedule |= {"current_phase": None, "subscription": None}
    if schedule["end_behavior"] == "release":
        schedule |= {"released_at": world.now, "released_subscription": subscription["id"]}
    schedule["status"] = "released" if schedule["end_behavior"] == "release" else "completed"
    world.save(schedule)
    world.emit(f"subscription_schedule.{schedule['status']}", schedule)


# Requests ----------------------------------------------------------------------------------------


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
    on_trial = _trial_end(world, params) is not None
    if not method and not on_trial and behavior != "default_incomplete":
        raise invalid(
            "This customer has no attached payment source or default payment method.",
            code="resource_missing",
        )
    subscription, invoice = begin(world, customer["id"], params["items"], params)
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
    subscription = _running(world, subscription_id)
    merge_metadata(subscription, params)
    for key in {"default_payment_method", "description"} & params.keys():
        subscription[key] = params[key] or None
    if method_id := params.get("default_payment_method"):
        world.get("payment_method", method_id, "default_payment_method")
    if "pause_collection" in params:
        pause = params["pause_collection"] or None
        subscription["pause_collection"] = pause and {"resumes_at": None} | pause
    if "cancel_at_period_end" in params or "cancel_at" in params:
        _set_end(world, subscription, params)
    world.save(subscription, "customer.subscription.updated")
    _schedule(world, subscription)
    if "trial_end" in params:
        _move_trial(world, subscription, params["trial_end"])
    if "items" in params or "billing_cycle_anchor" in params:
        _change_items(world, world.get("subscription", subscription_id), params)
    return world.get("subscription", subscription_id)


def _running(world: World, subscription_id: str) -> Object:
    subscription = world.get("subscription", subscription_id)
    if subscription["status"] in _ENDED:
        raise invalid("A canceled subscription can only update its cancellation_details.")
    return subscription


def _move_trial(world: World, subscription: Object, end: Any) -> None:
    at = world.now if end == "now" else int(end)
    subscription["trial_end"] = at
    for item in items_of(subscription):
        item["current_period_end"] = at
    if at > world.now:
        subscription |= {"status": "trialing", "billing_cycle_anchor": at}
        subscription["trial_start"] = subscription["trial_start"] or world.now
    world.save(subscription, "customer.subscription.updated")
    _schedule(world, subscription)
    if at <= world.now:
        renew(world, subscription["id"])


@serves("subscriptions.cancel")
def cancel(world: World, params: Object, subscription_id: str) -> Object:
    subscription = world.get("subscription", subscription_id)
    if subscription["status"] in _ENDED:
        raise invalid(f"No such subscription: '{subscription_id}'", "id", "resource_missing")
    details = params.get("cancellation_details", {})
    subscription["cancellation_details"] |= {
        key: details[key] or None for key in {"comment", "feedback"} & details.keys()
    }
    subscription = finish(world, subscription)
    if params.get("prorate") and params.get("invoice_now"):
        lines = [
            _part_line(world, subscription, item, world.now, credit=True)
            for item in items_of(subscription)
        ]
        _bill(world, subscription, lines, "subscription_update")
    return world.get("subscription", subscription_id)


@serves("subscriptions.resume")
def resume(world: World, params: Object, subscription_id: str) -> Object:
    subscription = world.get("subscription", subscription_id)
    if subscription["status"] != "paused":
        raise invalid("You can only resume a paused subscription.")
    subscription |= {"status": "active", "billing_cycle_anchor": world.now}
    subscription.pop("status_details", None)
    for item in items_of(subscription):
        start, end = _period(item["price"], world.now)
        item |= {"current_period_start": start, "current_period_end": end}
    world.save(subscription, "customer.subscription.updated")
    world.emit("customer.subscription.resumed", subscription)
    _schedule(world, subscription)
    lines = _full_lines(world, subscription, items_of(subscription))
    invoices.charge(world, _bill(world, subscription, lines, "subscription_update"))
    return world.get("subscription", subscription_id)


@serves("subscriptions.list")
def listing(world: World, params: Object) -> Object:
    found = world.all("subscription", customer=params.get("customer"))
    status = params.get("status")
    if status is None:
        found = [value for value in found if value["status"] not in _ENDED]
    elif status == "ended":
        found = [value for value in found if value["status"] in _ENDED]
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


@serves("invoices.create_preview")
def preview(world: World, params: Object) -> Object:
    """The invoice that a change would bring at once, else the next renewal's."""
    details = params.get("subscription_details", {})
    if "subscription" not in params:
        return _preview_new(world, params, details)
    subscription = world.get("subscription", params["subscription"], "subscription")
    change = plan_change(world, subscription, details)
    at_once = details.get("proration_behavior") == "always_invoice" or change.anchor is not None
    lines = [*subscription["_pending_lines"], *change.lines]
    if at_once and change.lines:
        return _preview(world, subscription["customer"], lines, "subscription_update", subscription)
    upcoming = deepcopy(subscription) | {"status": "active"}
    for item in change.items:
        interval, count = _interval(item["price"])
        start = item["current_period_end"]
        end = next_end(subscription["billing_cycle_anchor"], start, interval, count)
        item |= {"current_period_start": start, "current_period_end": end}
    lines += _full_lines(world, upcoming, change.items)
    return _preview(world, subscription["customer"], lines, "upcoming", subscription)


def _preview_new(world: World, params: Object, details: Object) -> Object:
    if "customer" not in params:
        raise invalid("You must provide `customer` or `subscription`.", "customer")
    draft: Object = {"id": None, "metadata": {}, "status": "active", "currency": "usd"}
    items = []
    for index, given in enumerate(details.get("items", [])):
        price = price_from(world, given, f"subscription_details[items][{index}]")
        items.append(_new_item("", price, given, _period(price, world.now)))
    lines = _full_lines(world, draft, items)
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


@serves("subscription_items.list")
def list_items(world: World, params: Object) -> Object:
    subscription = world.get("subscription", params["subscription"], "subscription")
    return world.page(items_of(subscription), params, "/v1/subscription_items")


# Requests about schedules ------------------------------------------------------------------------


@serves("subscription_schedules.create")
def create_schedule(world: World, params: Object) -> Object:
    if "from_subscription" not in params:
        raise invalid("The sandbox makes schedules of subscriptions only.", "from_subscription")
    subscription = _running(world, params["from_subscription"])
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
            end = _period(price, start)[1]
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
    _end_schedule(world, schedule | {"end_behavior": "release"}, subscription)
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
    finish(world, subscription | {"schedule": None})
    return schedule
