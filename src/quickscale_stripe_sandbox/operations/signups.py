"""Checkout in mode ``subscription``.

As in Stripe since version 2025-03-31, the subscription and its invoice are only made when the
session completes: a declined card leaves none behind.
"""

from __future__ import annotations

from quickscale_stripe_sandbox.internal.world import Object, World
from quickscale_stripe_sandbox.operations import checkout, invoices, lifecycle, payment_methods


def _subscribe(world: World, session: Object, method: Object) -> checkout.Step:
    method = payment_methods.attach(world, method, session["customer"])
    if session["payment_status"] == "no_payment_required":
        _begin(world, session, {"payment_method": method["id"]})
        checkout.complete(world, session)
        return checkout.Step(url=checkout.success_url(session))
    intent = world.find(session.get("_attempt"))
    if intent is None:
        data = {"description": "Subscription creation", "setup_future_usage": "off_session"}
        intent = checkout.new_intent(world, session, data)
        session["_attempt"] = intent["id"]
        world.save(session)
    return checkout.confirm(world, session, intent, method)


def _begin(world: World, session: Object, intent: Object) -> None:
    """Make the subscription that was bought, and pay its invoice with the intent's money."""
    given = [
        {
            "price": item["price"]["id"],
            "quantity": item["quantity"],
            "metadata": item["metadata"],
        }
        for item in session["_line_items"]
    ]
    params = session["_subscription"] | {
        "automatic_tax": {"enabled": session["automatic_tax"]["enabled"]},
        "default_payment_method": intent["payment_method"],
        "discounts": session["discounts"],
    }
    subscription, invoice = lifecycle.begin(world, session["customer"], given, params)
    if "id" in intent:
        invoices.add_payment(world, invoice, intent["id"])
        world.save(intent | {"_for": invoice["id"]})
        invoices.payment_changed(world, invoice, intent)
    session |= {"subscription": subscription["id"], "invoice": invoice["id"]}


checkout.MODES["subscription"] = _subscribe
checkout.RESULTS["subscription"] = _begin
