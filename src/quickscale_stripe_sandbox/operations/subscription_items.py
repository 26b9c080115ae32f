"""A subscription's items, with their periods and their lines on an invoice."""

from __future__ import annotations

from quickscale.formats import format_money
from quickscale_stripe_sandbox.internal.errors import invalid
from quickscale_stripe_sandbox.internal.periods import shift
from quickscale_stripe_sandbox.internal.world import Object, World, part, token
from quickscale_stripe_sandbox.operations import discounts, invoices


def new_item(subscription_id: str, price: Object, given: Object, period: tuple[int, int]) -> Object:
    return part(
        "subscription_item",
        id=f"si_{token(14)}",
        created=period[0],
        current_period_start=period[0],
        current_period_end=period[1],
        discounts=[],
        metadata=given.get("metadata", {}) or {},
        plan=plan_of(price),
        price=price,
        quantity=given.get("quantity", 1),
        subscription=subscription_id,
        tax_rates=[],
    )


def check_prices(prices: list[Object], name: str = "items") -> None:
    """Refuse a price that two items have.

    docs.stripe.com/api/subscriptions/create#create_subscription-items

    Raises:
        ApiError
    """
    if len({price["id"] for price in prices}) < len(prices):
        raise invalid("Cannot add multiple subscription items with the same price.", name)


def plan_of(price: Object) -> Object:
    """Return the same price as a plan, a form that Stripe still sends in addition."""
    same = ("active", "billing_scheme", "created", "currency", "id", "metadata", "nickname")
    return part(
        "plan",
        amount=price["unit_amount"],
        amount_decimal=price["unit_amount_decimal"],
        product=price["product"],
        **{key: price[key] for key in same},
        **price["recurring"],
    )


def period_of(price: Object, start: int) -> tuple[int, int]:
    recurring = price["recurring"]
    return start, shift(start, recurring["interval"], recurring["interval_count"])


def interval_of(price: Object) -> tuple[str, int]:
    return price["recurring"]["interval"], price["recurring"]["interval_count"]


def items_of(subscription: Object) -> list[Object]:
    items: list[Object] = subscription["items"]["data"]
    return items


def period_end(subscription: Object) -> int:
    return min(int(item["current_period_end"]) for item in items_of(subscription))


def full_lines(world: World, subscription: Object, items: list[Object]) -> list[Object]:
    """Return a line for each item's whole period; nothing is due during a trial."""
    trial = subscription["status"] == "trialing"
    return [full_line(world, subscription, item, trial) for item in items]


def full_line(world: World, subscription: Object, item: Object, trial: bool = False) -> Object:
    price, quantity = item["price"], item["quantity"]
    name = world.get("product", price["product"])["name"]
    money = format_money(price["unit_amount"], price["currency"])
    described = f"{quantity} × {name} (at {money} / {interval_of(price)[0]})"
    return invoices.line(
        price,
        quantity,
        0 if trial else price["unit_amount"] * quantity,
        f"Trial period for {name}" if trial else described,
        (item["current_period_start"], item["current_period_end"]),
        subscription=subscription,
        item=item["id"],
    )


def part_line(world: World, subscription: Object, item: Object, at: int, *, credit: bool) -> Object:
    start, end = item["current_period_start"], item["current_period_end"]
    price = item["price"]["unit_amount"] * item["quantity"]
    charged = _charged(world, subscription, item) if credit else None
    if charged:
        share_paid = _share_paid(world, charged)
    else:
        share_paid = discounts.share_paid(world, subscription, price)
    amount = round(price * share_paid * (end - at) / (end - start))
    name = world.get("product", item["price"]["product"])["name"]
    entry = invoices.line(
        item["price"],
        item["quantity"],
        -amount if credit else amount,
        f"Unused time on {name}" if credit else f"Remaining time on {name}",
        (at, end),
        subscription=subscription,
        item=item["id"],
        proration=True,
        credited=charged,
    )
    return entry | {"_share_paid": share_paid}


def _share_paid(world: World, charged: Object) -> float:
    """Return the share of an item's price that was charged, 0 to 1; the rest was a discount."""
    [line_id, *_] = charged["invoice_line_items"]
    for line in world.get("invoice", charged["invoice"])["lines"]["data"]:
        if line["id"] == line_id and "_share_paid" in line:
            return float(line["_share_paid"])
        if line["id"] == line_id and line["amount"]:
            cut: int = sum(entry["amount"] for entry in line["discount_amounts"])
            return 1 - cut / int(line["amount"])
    return 1.0


def _charged(world: World, subscription: Object, item: Object) -> Object | None:
    """Return the invoice that last charged an item in its current state, and its lines for that."""
    for invoice in world.all("invoice"):
        lines = [
            line["id"]
            for line in invoice["lines"]["data"]
            if line["amount"] >= 0
            and line["subscription"] == subscription["id"]
            and line["pricing"]["price_details"]["price"] == item["price"]["id"]
        ]
        if lines:
            return {"invoice": invoice["id"], "invoice_line_items": lines}
    return None
