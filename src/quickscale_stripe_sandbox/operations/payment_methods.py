"""Payment methods: cards and bank accounts, made from Stripe's test tokens."""

from __future__ import annotations

from quickscale_stripe_sandbox.internal.errors import invalid
from quickscale_stripe_sandbox.internal.methods import Method, find_method, find_token
from quickscale_stripe_sandbox.internal.routes import serves
from quickscale_stripe_sandbox.internal.world import Object, World, token


def new_method(
    world: World, method: Method, *, email: str | None = None, name: str | None = None
) -> Object:
    return world.new(
        "payment_method",
        "pm",
        _outcome=method.outcome,
        allow_redisplay="unspecified",
        billing_details=_billing_details(email, name),
        type=method.type,
        **{method.type: _card(method) if method.type == "card" else _bank(method)},
    )


def _billing_details(email: str | None, name: str | None) -> Object:
    fields = ("city", "country", "line1", "line2", "postal_code", "state")
    address = dict.fromkeys(fields)
    return {"address": address, "email": email, "name": name, "phone": None, "tax_id": None}


def _card(method: Method) -> Object:
    return {
        "brand": method.brand,
        "checks": {
            "address_line1_check": None,
            "address_postal_code_check": None,
            "cvc_check": "pass",
        },
        "country": "US",
        "display_brand": method.brand,
        "exp_month": 12,
        "exp_year": 2040,
        "fingerprint": token(16),
        "funding": "credit",
        "generated_from": None,
        "last4": method.last4,
        "networks": {"available": [method.brand], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    }


def _bank(method: Method) -> Object:
    return {
        "account_holder_type": "individual",
        "account_type": "checking",
        "bank_name": "Test Bank",
        "financial_connections_account": None,
        "fingerprint": token(16),
        "last4": method.last4,
        "networks": {"preferred": "ach", "supported": ["ach"]},
        "routing_number": "110000000",
        "status_details": {},
    }


def method_from(world: World, method_id: str, param: str = "payment_method") -> Object:
    """Return a stored payment method, or a new one from one of Stripe's test tokens."""
    if known := find_token(method_id):
        return new_method(world, known)
    return world.get("payment_method", method_id, param)


def attach(world: World, method: Object, customer_id: str) -> Object:
    return world.save(method | {"customer": customer_id}, "payment_method.attached")


@serves("payment_methods.create")
def create_method(world: World, params: Object) -> Object:
    by_token = {"tok_visa": "pm_card_visa", "tok_chargeDeclined": "pm_card_chargeDeclined"}
    card = params.get("card", {})
    name = by_token.get(card.get("token", ""), "pm_card_visa")
    if params.get("type") == "us_bank_account":
        name = "pm_usBankAccount"
    known = find_method(name)
    if known is None or params.get("type") not in {"card", "us_bank_account"}:
        raise invalid(
            "The sandbox only has payment methods of type card and us_bank_account.", "type"
        )
    method = new_method(world, known)
    method["metadata"] = params.get("metadata", {})
    details = params.get("billing_details", {})
    method["billing_details"] |= {key: value or None for key, value in details.items()}
    return world.save(method)


@serves("payment_methods.retrieve")
def retrieve_method(world: World, params: Object, method_id: str) -> Object:
    return world.get("payment_method", method_id)


@serves("payment_methods.attach")
def attach_method(world: World, params: Object, method_id: str) -> Object:
    customer = world.get("customer", params["customer"], "customer")
    return attach(world, method_from(world, method_id, "id"), customer["id"])


@serves("payment_methods.detach")
def detach_method(world: World, params: Object, method_id: str) -> Object:
    method = world.get("payment_method", method_id)
    if method["customer"] is None:
        raise invalid("The payment method you provided is not attached to a customer.")
    customer = world.get("customer", method["customer"])
    if customer["invoice_settings"]["default_payment_method"] == method_id:
        customer["invoice_settings"]["default_payment_method"] = None
        world.save(customer, "customer.updated")
    return world.save(method | {"customer": None}, "payment_method.detached")


@serves("payment_methods.list", "customers.payment_methods.list")
def list_methods(world: World, params: Object, customer_id: str | None = None) -> Object:
    customer_id = customer_id or params.get("customer")
    if customer_id:
        world.get("customer", customer_id, "customer")
    methods = world.all("payment_method", customer=customer_id, type=params.get("type"))
    return world.page(methods, params, "/v1/payment_methods")
