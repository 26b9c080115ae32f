"""Payment intents and charges: how money moves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from quickscale_stripe_sandbox.internal import amounts
from quickscale_stripe_sandbox.internal.errors import ApiError, invalid, missing
from quickscale_stripe_sandbox.internal.routes import serves
from quickscale_stripe_sandbox.internal.world import (
    TASKS,
    Object,
    World,
    merge_metadata,
    task,
    token,
)
from quickscale_stripe_sandbox.operations import payment_methods

#: How long a bank debit takes, in seconds of the sandbox's clock.
SETTLES_AFTER = 10
_DECLINES = {
    "generic_decline": "Your card was declined.",
    "insufficient_funds": "Your card has insufficient funds.",
    "authentication_required": "Your card was declined. This transaction requires authentication.",
    "bank_account_declined": "The customer's bank account could not be debited.",
}
#: What happens when an intent has succeeded, failed or is processing, by kind of its owner.
FOLLOW_UPS: dict[str, Callable[[World, Object, Object], None]] = {}


def follows_payment(
    kind: str,
) -> Callable[[Callable[[World, Object, Object], None]], Callable[[World, Object, Object], None]]:
    """Register what an object does when the status of its intent has changed."""

    def register(
        function: Callable[[World, Object, Object], None],
    ) -> Callable[[World, Object, Object], None]:
        FOLLOW_UPS[kind] = function
        return function

    return register


# Payment intents ---------------------------------------------------------------------------------


def new_intent(world: World, amount: int, currency: str, **fields: Any) -> Object:
    """Make an intent without a payment method. ``_for`` names the object that it pays for."""
    intent_id = f"pi_{token()}"
    intent = world.new(
        "payment_intent",
        "pi",
        **{
            "id": intent_id,
            "amount": amount,
            "amount_capturable": 0,
            "amount_details": {"tip": {}},
            "amount_received": 0,
            "automatic_payment_methods": {"allow_redirects": "always", "enabled": True},
            "capture_method": "automatic_async",
            "client_secret": f"{intent_id}_secret_{token(25)}",
            "confirmation_method": "automatic",
            "currency": currency,
            "payment_method_types": ["card", "us_bank_account"],
            "status": "requires_payment_method",
        }
        | fields,
    )
    world.emit("payment_intent.created", intent)
    return intent


def confirm(world: World, intent: Object, method: Object, *, off_session: bool = False) -> Object:
    """Try to take the money; the intent's status shows the result."""
    outcome = method["_outcome"]
    intent |= {"payment_method": method["id"], "last_payment_error": None, "next_action": None}
    if outcome == "authenticate" and off_session:
        outcome = "authentication_required"
    if outcome == "authenticate":
        url = f"{world.base_url}/c/3ds/{intent['id']}"
        intent["status"] = "requires_action"
        intent["next_action"] = {
            "redirect_to_url": {"return_url": intent.get("_return_url"), "url": url},
            "type": "redirect_to_url",
        }
        return world.save(intent, "payment_intent.requires_action")
    if outcome in {"settle", "bounce"}:
        charge = _new_charge(world, intent, method, status="pending", paid=False, captured=True)
        intent |= {"status": "processing", "latest_charge": charge["id"]}
        world.emit("charge.pending", charge)
        world.save(intent, "payment_intent.processing")
        world.schedule(world.now + SETTLES_AFTER, settle, intent["id"])
        return _follow_up(world, intent)
    if outcome in _DECLINES:
        return _fail(world, intent, method, outcome)
    if outcome == "succeed_once":
        world.save(method | {"_outcome": "generic_decline"})
    _succeed(world, intent, method)
    if disputes := {"dispute": "dispute_charge", "inquiry": "inquire_charge"}.get(outcome):
        world.schedule(world.now, TASKS[disputes], intent["latest_charge"])
    return intent


def authenticate(world: World, intent: Object, *, approved: bool) -> Object:
    """Apply the answer of the bank's page to an intent that requires an action."""
    method = world.get("payment_method", intent["payment_method"])
    intent["next_action"] = None
    if approved:
        return _succeed(world, intent, method)
    intent |= {
        "status": "requires_payment_method",
        "last_payment_error": _error(
            "payment_intent_authentication_failure",
            "We are unable to authenticate your payment method.",
            method,
        ),
    }
    world.save(intent, "payment_intent.payment_failed")
    return _follow_up(world, intent)


@task
def settle(world: World, intent_id: str) -> None:
    """Apply the bank's late response to a debit."""
    intent = world.get("payment_intent", intent_id)
    if intent["status"] != "processing":
        return
    method = world.get("payment_method", intent["payment_method"])
    if method["_outcome"] == "settle":
        _succeed(world, intent, method)
    else:
        _fail(world, intent, method, "bank_account_declined")


def _succeed(world: World, intent: Object, method: Object) -> Object:
    charge = world.find(intent["latest_charge"])
    if charge is None or charge["status"] != "pending":
        charge = _new_charge(world, intent, method, status="succeeded", paid=True, captured=True)
    charge |= {"status": "succeeded", "paid": True, "amount_captured": charge["amount"]}
    charge["balance_transaction"] = new_balance_transaction(
        world, charge["amount"], charge["currency"], "charge", charge["id"], fee=True
    )["id"]
    world.save(charge)
    world.emit("charge.succeeded", charge)
    intent |= {
        "status": "succeeded",
        "amount_received": intent["amount"],
        "latest_charge": charge["id"],
    }
    world.save(intent, "payment_intent.succeeded")
    return _follow_up(world, intent)


def _fail(world: World, intent: Object, method: Object, decline: str) -> Object:
    message = _DECLINES[decline]
    code = "card_declined" if method["type"] == "card" else "payment_method_provider_decline"
    if decline == "authentication_required":
        code = decline
    charge = world.find(intent["latest_charge"])
    if charge is None or charge["status"] != "pending":
        charge = _new_charge(world, intent, method, status="failed", paid=False, captured=False)
    charge |= {"status": "failed", "failure_code": code, "failure_message": message}
    charge["outcome"] |= {
        "network_status": "declined_by_network",
        "reason": decline,
        "seller_message": "The bank did not return any further details with this decline.",
        "type": "issuer_declined",
    }
    world.save(charge)
    world.emit("charge.failed", charge)
    error = _error(code, message, method, decline_code=decline, charge=charge["id"])
    intent |= {
        "status": "requires_payment_method",
        "latest_charge": charge["id"],
        "last_payment_error": error,
        "payment_method": None,
    }
    world.save(intent, "payment_intent.payment_failed")
    return _follow_up(world, intent)


def _error(code: str, message: str, method: Object, **details: Any) -> Object:
    shown = {key: value for key, value in method.items() if key[0] != "_"}
    return {"code": code, "message": message, "payment_method": shown, "type": "card_error"} | {
        **details
    }


def _follow_up(world: World, intent: Object) -> Object:
    owner = world.find(intent.get("_for"))
    if owner:
        FOLLOW_UPS[owner["object"]](world, owner, intent)
    return intent


def _new_charge(world: World, intent: Object, method: Object, **fields: Any) -> Object:
    charge_id = f"ch_{token()}"
    return world.new(
        "charge",
        "ch",
        **{
            "id": charge_id,
            "amount": intent["amount"],
            "amount_captured": 0,
            "amount_refunded": 0,
            "billing_details": method["billing_details"],
            "calculated_statement_descriptor": "SANDBOX",
            "currency": intent["currency"],
            "customer": intent["customer"],
            "description": intent["description"],
            "disputed": False,
            "fraud_details": {},
            "metadata": intent["metadata"],
            "outcome": {
                "advice_code": None,
                "network_advice_code": None,
                "network_decline_code": None,
                "network_status": "approved_by_network",
                "reason": None,
                "risk_level": "normal",
                "risk_score": 12,
                "seller_message": "Payment complete.",
                "type": "authorized",
            },
            "payment_intent": intent["id"],
            "payment_method": method["id"],
            "payment_method_details": _charge_details(method),
            "receipt_email": intent["receipt_email"],
            "receipt_url": f"{world.base_url}/receipts/{charge_id}",
            "refunded": False,
        }
        | fields,
    )


_CARD_DETAILS = (
    "brand", "checks", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4",
    "regulated_status", "wallet",
)  # fmt: skip


def _charge_details(method: Object) -> Object:
    details = method[method["type"]]
    if method["type"] != "card":
        keys = ("account_holder_type", "account_type", "bank_name", "fingerprint", "last4")
        shown = {key: details[key] for key in keys}
        return {"type": method["type"], method["type"]: shown | {"payment_reference": None}}
    card = {key: details[key] for key in _CARD_DETAILS}
    return {"type": "card", "card": card | {"network": details["brand"], "three_d_secure": None}}


def new_balance_transaction(
    world: World, amount: int, currency: str, kind: str, source: str, *, fee: bool = False
) -> Object:
    """Record a signed ``amount``: a negative one takes money from the account."""
    cost = min(amount, round(amount * 0.029) + 30) if fee else 0
    return world.new(
        "balance_transaction",
        "txn",
        amount=amount,
        available_on=world.now,
        balance_type="payments",
        currency=currency,
        fee=cost,
        fee_details=[
            {
                "amount": cost,
                "application": None,
                "currency": currency,
                "description": "Stripe processing fees",
                "type": "stripe_fee",
            }
        ]
        if cost
        else [],
        net=amount - cost,
        reporting_category=kind,
        source=source,
        status="available",
        type=kind,
    )


@serves("balance_transactions.retrieve")
def retrieve_balance_transaction(world: World, params: Object, transaction_id: str) -> Object:
    return world.get("balance_transaction", transaction_id)


@serves("payment_intents.create")
def create_intent(world: World, params: Object) -> Object:
    if params["amount"] < 1:
        raise invalid("This value must be greater than or equal to 1.", "amount")
    currency = params["currency"].lower()
    amounts.check_charge(params["amount"], currency, "amount")
    amounts.check_step(params["amount"], currency, "amount")
    if "customer" in params:
        world.get("customer", params["customer"], "customer")
    intent = new_intent(
        world,
        params["amount"],
        currency,
        _return_url=params.get("return_url"),
        customer=params.get("customer"),
        description=params.get("description"),
        metadata=params.get("metadata", {}) or {},
        receipt_email=params.get("receipt_email") or None,
        setup_future_usage=params.get("setup_future_usage"),
        statement_descriptor=params.get("statement_descriptor"),
    )
    if method_id := params.get("payment_method"):
        method = payment_methods.method_from(world, method_id)
        intent |= {"payment_method": method["id"], "status": "requires_confirmation"}
        world.save(intent)
    if params.get("confirm"):
        return _confirmed(world, intent, params)
    return intent


@serves("payment_intents.confirm")
def confirm_intent(world: World, params: Object, intent_id: str) -> Object:
    intent = world.get("payment_intent", intent_id)
    if intent["status"] not in {"requires_payment_method", "requires_confirmation"}:
        raise _unexpected_state(intent, "confirm")
    return _confirmed(world, intent, params)


def _confirmed(world: World, intent: Object, params: Object) -> Object:
    method_id = params.get("payment_method") or intent["payment_method"]
    if not method_id:
        raise _unexpected_state(intent, "confirm")
    method = payment_methods.method_from(world, method_id)
    confirm(world, intent, method, off_session=params.get("off_session") is True)
    if error := intent["last_payment_error"]:
        raise ApiError(
            error["message"],
            status=402,
            type="card_error",
            keep=True,
            payment_intent={key: value for key, value in intent.items() if key[0] != "_"},
            **{key: value for key, value in error.items() if key not in {"message", "type"}},
        )
    return intent


def _unexpected_state(intent: Object, verb: str) -> ApiError:
    return invalid(
        f"You cannot {verb} this PaymentIntent because it has a status of {intent['status']}.",
        code="payment_intent_unexpected_state",
    )


@serves("payment_intents.cancel")
def cancel_intent(world: World, params: Object, intent_id: str) -> Object:
    intent = world.get("payment_intent", intent_id)
    if intent["status"] in {"succeeded", "canceled", "processing"}:
        raise _unexpected_state(intent, "cancel")
    return cancel(world, intent, params.get("cancellation_reason"))


def cancel(world: World, intent: Object, reason: str | None = None) -> Object:
    intent |= {"status": "canceled", "canceled_at": world.now, "cancellation_reason": reason}
    return world.save(intent, "payment_intent.canceled")


@serves("payment_intents.retrieve")
def retrieve_intent(world: World, params: Object, intent_id: str) -> Object:
    return world.get("payment_intent", intent_id)


@serves("payment_intents.update")
def update_intent(world: World, params: Object, intent_id: str) -> Object:
    intent = world.get("payment_intent", intent_id)
    merge_metadata(intent, params)
    for key in {"amount", "customer", "description", "receipt_email"} & params.keys():
        intent[key] = params[key] or None
    return world.save(intent)


@serves("payment_intents.list")
def list_intents(world: World, params: Object) -> Object:
    intents = world.all("payment_intent", customer=params.get("customer"))
    return world.page(intents, params, "/v1/payment_intents")


# Charges -----------------------------------------------------------------------------------------


@serves("charges.retrieve")
def retrieve_charge(world: World, params: Object, charge_id: str) -> Object:
    return world.get("charge", charge_id)


@serves("charges.update")
def update_charge(world: World, params: Object, charge_id: str) -> Object:
    charge = world.get("charge", charge_id)
    merge_metadata(charge, params)
    for key in {"customer", "description", "receipt_email"} & params.keys():
        charge[key] = params[key] or None
    return world.save(charge, "charge.updated")


@serves("charges.list")
def list_charges(world: World, params: Object) -> Object:
    charges = world.all(
        "charge", customer=params.get("customer"), payment_intent=params.get("payment_intent")
    )
    return world.page(charges, params, "/v1/charges")


def charge_of(world: World, params: Object) -> Object:
    """Return the charge that ``charge`` or ``payment_intent`` names.

    Raises:
        ApiError: neither is given, or nothing was charged.
    """
    if "charge" in params:
        return world.get("charge", params["charge"], "charge")
    if "payment_intent" not in params:
        raise invalid("One of the following params should be provided: payment_intent or charge.")
    intent = world.get("payment_intent", params["payment_intent"], "payment_intent")
    charge = world.find(intent["latest_charge"])
    if charge is None:
        raise missing("charge", intent["id"], "payment_intent")
    return charge
