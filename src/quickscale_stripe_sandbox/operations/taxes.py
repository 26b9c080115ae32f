"""A tax with one rate for everybody; Stripe Tax would consider the product and the buyer."""

from __future__ import annotations

from quickscale_stripe_sandbox.internal.world import Object, World

PERCENT = 20


def tax_on(amount: int, price: Object) -> int:
    """Return the tax on an amount, or in it if the price's ``tax_behavior`` is inclusive."""
    if price["tax_behavior"] == "inclusive":
        return amount - round(amount * 100 / (100 + PERCENT))
    return round(amount * PERCENT / 100)


def on_top(tax: int, price: Object) -> int:
    """Return the part of a tax that is added to the amount: all or nothing."""
    return 0 if price["tax_behavior"] == "inclusive" else tax


def tax_lines(world: World, lines: list[Object]) -> None:
    """Put the tax on the lines of an invoice, after their discounts."""
    for line in lines:
        price = world.get("price", line["pricing"]["price_details"]["price"])
        net = line["amount"] - sum(cut["amount"] for cut in line["discount_amounts"])
        tax = tax_on(net, price)
        behavior = "inclusive" if price["tax_behavior"] == "inclusive" else "exclusive"
        line["taxes"] = [_tax(tax, net - tax if behavior == "inclusive" else net, behavior)]


def totals(lines: list[Object]) -> list[Object]:
    """Return an invoice's ``total_taxes``."""
    found = []
    for behavior in ("exclusive", "inclusive"):
        taxes = [tax for line in lines for tax in line["taxes"] if tax["tax_behavior"] == behavior]
        if taxes:
            amount = sum(tax["amount"] for tax in taxes)
            found.append(_tax(amount, sum(tax["taxable_amount"] for tax in taxes), behavior))
    return found


def _tax(amount: int, taxable: int, behavior: str) -> Object:
    return {
        "amount": amount,
        "tax_behavior": behavior,
        "tax_rate_details": {"tax_rate": "txr_sandbox"},
        "taxability_reason": "standard_rated",
        "taxable_amount": taxable,
        "type": "tax_rate_details",
    }


def automatic(enabled: bool) -> Object:
    """Return the field ``automatic_tax`` of sessions and invoices."""
    return {
        "enabled": enabled,
        "liability": {"type": "self"} if enabled else None,
        "provider": "stripe" if enabled else None,
        "status": "complete" if enabled else None,
    }
