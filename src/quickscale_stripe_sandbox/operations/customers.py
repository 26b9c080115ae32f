"""Customers."""

from __future__ import annotations

from typing import Any

from quickscale_stripe_sandbox.internal.errors import invalid
from quickscale_stripe_sandbox.internal.routes import serves
from quickscale_stripe_sandbox.internal.world import Object, World, merge_metadata, token
from quickscale_stripe_sandbox.operations import payment_methods

_UNSETTABLE = ("address", "description", "email", "name", "phone", "shipping")


def new_customer(world: World, **fields: Any) -> Object:
    customer = world.new(
        "customer",
        "cus",
        **{
            "balance": 0,
            "delinquent": False,
            "invoice_prefix": token(8).upper(),
            "invoice_settings": {
                "custom_fields": None,
                "default_payment_method": None,
                "footer": None,
                "rendering_options": None,
            },
            "next_invoice_sequence": 1,
            "preferred_locales": [],
            "tax_exempt": "none",
        }
        | fields,
    )
    world.emit("customer.created", customer)
    return customer


def check_currency(world: World, customer_id: str | None, currency: str) -> None:
    """Refuse a second currency for a customer with a subscription.

    docs.stripe.com/billing/customer#customer-currency: all of a customer's subscriptions and
    invoices have one.

    Raises:
        ApiError
    """
    for subscription in world.all("subscription", customer=customer_id) if customer_id else ():
        if subscription["ended_at"] is None and subscription["currency"] != currency:
            raise invalid(
                "You cannot combine currencies on a single customer. This customer has an active"
                f" subscription with currency {subscription['currency']}.",
                "currency",
            )


@serves("customers.create")
def create(world: World, params: Object) -> Object:
    metadata = {key: text for key, text in (params.pop("metadata", "") or {}).items() if text}
    customer = new_customer(world, metadata=metadata, **_fields(params))
    settings = params.pop("invoice_settings", {})
    if method_id := params.get("payment_method"):
        method = payment_methods.method_from(world, method_id)
        method = payment_methods.attach(world, method, customer["id"])
        if settings.get("default_payment_method") == method_id:
            settings = settings | {"default_payment_method": method["id"]}
    customer["invoice_settings"] |= settings
    return world.save(customer)


@serves("customers.retrieve")
def retrieve(world: World, params: Object, customer_id: str) -> Object:
    return world.get("customer", customer_id, deleted=True)


@serves("customers.update")
def update(world: World, params: Object, customer_id: str) -> Object:
    customer = world.get("customer", customer_id)
    merge_metadata(customer, params)
    settings = params.pop("invoice_settings", {})
    customer["invoice_settings"] |= {key: value or None for key, value in settings.items()}
    return world.save(customer | _fields(params), "customer.updated")


@serves("customers.delete")
def delete(world: World, params: Object, customer_id: str) -> Object:
    customer = world.get("customer", customer_id)
    for subscription in world.all("subscription", customer=customer_id):
        if subscription["status"] not in {"canceled", "incomplete_expired"}:
            subscription |= {"status": "canceled", "canceled_at": world.now, "ended_at": world.now}
            world.save(subscription)
            world.emit("customer.subscription.deleted", subscription)
    world.emit("customer.deleted", customer)
    gone = {"id": customer_id, "object": "customer", "deleted": True}
    world.rows.put(gone)
    return gone


@serves("customers.list")
def listing(world: World, params: Object) -> Object:
    customers = [
        customer
        for customer in world.all("customer", email=params.get("email"))
        if not customer.get("deleted")
    ]
    return world.page(customers, params, "/v1/customers")


def _fields(params: Object) -> Object:
    """Return the parameters that are fields of the same name; "" stands for null."""
    known = {
        *_UNSETTABLE,
        "balance",
        "business_name",
        "individual_name",
        "invoice_prefix",
        "next_invoice_sequence",
        "preferred_locales",
        "tax_exempt",
    }
    fields = {key: params[key] for key in known & params.keys()}
    return {
        key: None if key in _UNSETTABLE and value == "" else value for key, value in fields.items()
    }
