"""How a subscription begins, renews and ends."""

from __future__ import annotations

from quickscale_stripe_sandbox.internal.errors import invalid
from quickscale_stripe_sandbox.internal.periods import next_end
from quickscale_stripe_sandbox.internal.world import Object, World, task, token
from quickscale_stripe_sandbox.operations import discounts, invoices, phases, taxes
from quickscale_stripe_sandbox.operations.catalogue import price_from
from quickscale_stripe_sandbox.operations.customers import check_currency
from quickscale_stripe_sandbox.operations.subscription_items import (
    check_prices,
    full_lines,
    interval_of,
    items_of,
    new_item,
    period_end,
    period_of,
)

_HOUR = 60 * 60
_DAY = 24 * _HOUR
ENDED = {"canceled", "incomplete_expired"}
_RENEWS = {"active", "past_due", "trialing", "unpaid"}
#: How long to wait for a payment that is due when a subscription begins or changes.
PATIENCE = 23 * _HOUR


def begin(
    world: World, customer_id: str, given: list[Object], params: Object
) -> tuple[Object, Object]:
    """Make a subscription and its first invoice, without trying to collect it.

    Args:
        given: the items, as ``subscriptions.create`` takes them.
        params: the other parameters of ``subscriptions.create``.
    """
    subscription_id = f"sub_{token()}"
    trial_end = trial_end_of(world, params)
    items = []
    for index, item in enumerate(given):
        price = price_from(world, item, f"items[{index}]")
        if price["type"] != "recurring":
            raise invalid(
                "The price specified is set to `type=one_time` but this field only accepts prices"
                " with `type=recurring`.",
                f"items[{index}][price]",
            )
        period = (world.now, trial_end) if trial_end else period_of(price, world.now)
        items.append(new_item(subscription_id, price, item, period))
    check_prices([item["price"] for item in items])
    behavior = params.get("trial_settings", {}).get("end_behavior", {})
    tax = taxes.automatic(params.get("automatic_tax", {}).get("enabled", False))
    currency = items[0]["price"]["currency"]
    check_currency(world, customer_id, currency)
    chosen = discounts.chosen_from(world, params, currency)
    subscription = world.new(
        "subscription",
        "sub",
        id=subscription_id,
        _pending_lines=[],
        automatic_tax={
            "disabled_reason": None,
            "enabled": tax["enabled"],
            "liability": tax["liability"],
        },
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
        currency=currency,
        customer=customer_id,
        default_payment_method=params.get("default_payment_method"),
        default_tax_rates=[],
        description=params.get("description"),
        discounts=discounts.redeem(
            world, chosen, customer=customer_id, subscription=subscription_id
        ),
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
    if params.get("cancel_at_period_end") or params.get("cancel_at"):
        set_end(world, subscription, params)
    schedule_renewal(world, subscription)
    lines = full_lines(world, subscription, items)
    invoice = invoices.issue(world, customer_id, lines, "subscription_create", subscription)
    _billed(world, subscription_id, invoice)
    subscription = world.get("subscription", subscription_id)
    if trial_end:
        world.schedule(max(world.now, trial_end - 3 * _DAY), trial_will_end, subscription_id)
    elif subscription["status"] == "incomplete":
        world.schedule(world.now + PATIENCE, expire, subscription_id)
    return world.get("subscription", subscription_id), world.get("invoice", invoice["id"])


def trial_end_of(world: World, params: Object) -> int | None:
    end = params.get("trial_end")
    if end and end != "now":
        if end <= world.now:
            raise invalid("Invalid timestamp: must be in the future", "trial_end")
        return int(end)
    days = params.get("trial_period_days", 0)
    return world.now + days * _DAY if days else None


def schedule_renewal(world: World, subscription: Object) -> None:
    world.unschedule(renew, subscription["id"])
    if subscription["status"] not in ENDED:
        at = min(
            period_end(subscription),
            subscription["cancel_at"] or period_end(subscription),
        )
        world.schedule(at, renew, subscription["id"])


@task
def trial_will_end(world: World, subscription_id: str) -> None:
    subscription = world.get("subscription", subscription_id)
    if subscription["status"] == "trialing":
        world.emit("customer.subscription.trial_will_end", subscription)


@task
def expire(world: World, subscription_id: str) -> None:
    """Expire a subscription whose first payment never came."""
    subscription = world.get("subscription", subscription_id)
    if subscription["status"] != "incomplete":
        return
    invoices.void(world, world.get("invoice", subscription["latest_invoice"]))
    subscription |= {"status": "incomplete_expired", "ended_at": world.now}
    world.save(subscription, "customer.subscription.updated")


@task
def renew(world: World, subscription_id: str) -> None:
    """End a period: the subscription ends, or the next period begins and is charged."""
    subscription = world.get("subscription", subscription_id)
    end, cancel_at = period_end(subscription), subscription["cancel_at"]
    if subscription["status"] not in _RENEWS or min(end, cancel_at or end) > world.now:
        return
    if cancel_at and cancel_at <= world.now:
        finish(world, subscription, subscription["cancellation_details"]["reason"])
        return
    if subscription["status"] == "trialing" and not _end_trial(world, subscription):
        return
    phases.next_phase(world, subscription)
    subscription["_began"] = min(item["current_period_start"] for item in items_of(subscription))
    trial_end = subscription["trial_end"] if subscription["status"] == "trialing" else None
    for item in items_of(subscription):
        start = item["current_period_end"]
        interval, count = interval_of(item["price"])
        anchor = subscription["billing_cycle_anchor"]
        item["current_period_start"] = start
        item["current_period_end"] = trial_end or next_end(anchor, start, interval, count)
    if trial_end:
        world.schedule(max(world.now, trial_end - 3 * _DAY), trial_will_end, subscription_id)
    lines = [
        *subscription["_pending_lines"],
        *full_lines(world, subscription, items_of(subscription)),
    ]
    subscription["_pending_lines"] = []
    world.save(subscription, "customer.subscription.updated")
    schedule_renewal(world, subscription)
    invoice = bill(world, subscription, lines, "subscription_cycle")
    paused = subscription["pause_collection"]
    if paused is None:
        invoices.charge(world, invoice)
    elif invoice["status"] == "open" and paused["behavior"] == "void":
        invoices.void(world, invoice)
    elif invoice["status"] == "open" and paused["behavior"] == "mark_uncollectible":
        invoices.mark_uncollectible(world, {}, invoice["id"])


def pause(world: World, subscription: Object, given: Object | None) -> None:
    """Stop collecting payments, or resume if ``given`` is None."""
    world.unschedule(end_pause, subscription["id"])
    subscription["pause_collection"] = given and {"resumes_at": None} | given
    if given and given.get("resumes_at"):
        world.schedule(given["resumes_at"], end_pause, subscription["id"])


@task
def end_pause(world: World, subscription_id: str) -> None:
    subscription = world.get("subscription", subscription_id)
    subscription["pause_collection"] = None
    world.save(subscription, "customer.subscription.updated")


def bill(world: World, subscription: Object, lines: list[Object], reason: str) -> Object:
    invoice = invoices.issue(world, subscription["customer"], lines, reason, subscription)
    _billed(world, subscription["id"], invoice)
    return invoice


def _billed(world: World, subscription_id: str, invoice: Object) -> None:
    subscription = world.get("subscription", subscription_id)
    discounts.forget_spent(world, subscription, invoice)
    world.save(subscription | {"latest_invoice": invoice["id"]})


def _end_trial(world: World, subscription: Object) -> bool:
    """End a trial; return whether the subscription continues."""
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


def set_end(world: World, subscription: Object, params: Object) -> None:
    """Set when the subscription ends, or let it continue.

    As in flexible billing mode, ``cancel_at`` and ``cancel_at_period_end`` each undo only what they
    set: docs.stripe.com/billing/subscriptions/billing-mode/compare
    """
    at = subscription["cancel_at"]
    ends_with_period = subscription["cancel_at_period_end"]
    if "cancel_at" in params and "cancel_at_period_end" in params:
        raise invalid(
            "You may only specify one of these parameters: cancel_at, cancel_at_period_end.",
            "cancel_at",
        )
    if params.get("cancel_at_period_end"):
        at, ends_with_period = period_end(subscription), True
    elif ends_with_period and "cancel_at_period_end" in params:
        at, ends_with_period = None, False
    elif given := params.get("cancel_at"):
        ends = [item["current_period_end"] for item in items_of(subscription)]
        moments = {"min_period_end": min(ends), "max_period_end": max(ends)}
        at, ends_with_period = moments.get(given) or int(given), False
        if at <= world.now:
            raise invalid("Invalid timestamp: must be in the future", "cancel_at")
    elif "cancel_at" in params and not ends_with_period:
        at = None
    details = params.get("cancellation_details", {})
    subscription |= {
        "cancel_at": at,
        "cancel_at_period_end": ends_with_period,
        "canceled_at": world.now if at else None,
        "cancellation_details": {
            "comment": details.get("comment") or None,
            "feedback": details.get("feedback") or None,
            "reason": "cancellation_requested" if at else None,
        },
    }
