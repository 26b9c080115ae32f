"""Setup intents, and Checkout in mode ``setup``: saving a payment method without paying."""

from __future__ import annotations

from typing import Any

from quickscale_stripe_sandbox.internal.errors import invalid
from quickscale_stripe_sandbox.internal.routes import serves
from quickscale_stripe_sandbox.internal.world import Object, World, merge_metadata, token
from quickscale_stripe_sandbox.operations import checkout, payment_methods

_REFUSES = {"generic_decline", "insufficient_funds"}


def new_setup(world: World, **fields: Any) -> Object:
    setup_id = f"seti_{token()}"
    setup = world.new(
        "setup_intent",
        "seti",
        id=setup_id,
        automatic_payment_methods={"allow_redirects": "always", "enabled": True},
        client_secret=f"{setup_id}_secret_{token(25)}",
        payment_method_types=["card", "us_bank_account"],
        status="requires_payment_method",
        usage="off_session",
        **fields,
    )
    world.emit("setup_intent.created", setup)
    return setup


def confirm(world: World, setup: Object, method: Object) -> Object:
    """Save the method for the setup's customer; the setup's status shows the result."""
    if method["_outcome"] in _REFUSES:
        shown = {key: value for key, value in method.items() if key[0] != "_"}
        setup["last_setup_error"] = {
            "code": "card_declined",
            "message": "Your card was declined.",
            "payment_method": shown,
            "type": "card_error",
        }
        return world.save(setup, "setup_intent.setup_failed")
    if setup["customer"]:
        payment_methods.attach(world, method, setup["customer"])
    setup |= {"last_setup_error": None, "payment_method": method["id"], "status": "succeeded"}
    return world.save(setup, "setup_intent.succeeded")


def _begin(world: World, session: Object, intent: Object) -> None:
    data = session["_setup"]
    setup = new_setup(
        world,
        customer=session["customer"],
        description=data.get("description"),
        metadata=data.get("metadata", {}),
    )
    session["setup_intent"] = setup["id"]
    world.save(session)


def _save_method(world: World, session: Object, method: Object) -> checkout.Step:
    setup = confirm(world, world.get("setup_intent", session["setup_intent"]), method)
    if error := setup["last_setup_error"]:
        return checkout.Step(error=error["message"])
    checkout.complete(world, session)
    return checkout.Step(url=checkout.success_url(session))


checkout.RESULTS["setup"] = _begin
checkout.MODES["setup"] = _save_method


@serves("setup_intents.create")
def create(world: World, params: Object) -> Object:
    setup = new_setup(
        world,
        customer=params.get("customer"),
        description=params.get("description"),
        metadata=params.get("metadata", {}) or {},
    )
    method_id = params.get("payment_method")
    if method_id and params.get("confirm"):
        return confirm(world, setup, payment_methods.method_from(world, method_id))
    return setup


@serves("setup_intents.confirm")
def confirm_setup(world: World, params: Object, setup_id: str) -> Object:
    setup = world.get("setup_intent", setup_id)
    method_id = params.get("payment_method") or setup["payment_method"]
    if not method_id:
        raise invalid("You must provide a payment method.", "payment_method")
    return confirm(world, setup, payment_methods.method_from(world, method_id))


@serves("setup_intents.retrieve")
def retrieve(world: World, params: Object, setup_id: str) -> Object:
    return world.get("setup_intent", setup_id)


@serves("setup_intents.update")
def update(world: World, params: Object, setup_id: str) -> Object:
    setup = world.get("setup_intent", setup_id)
    merge_metadata(setup, params)
    return world.save(setup)


@serves("setup_intents.list")
def listing(world: World, params: Object) -> Object:
    found = world.all("setup_intent", customer=params.get("customer"))
    return world.page(found, params, "/v1/setup_intents")
