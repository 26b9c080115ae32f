"""The customer portal: its configurations, its sessions, and what a person can do there."""

from __future__ import annotations

from quickscale_stripe_sandbox.internal.errors import invalid
from quickscale_stripe_sandbox.internal.methods import Method
from quickscale_stripe_sandbox.internal.routes import serves
from quickscale_stripe_sandbox.internal.world import Object, World, merge_metadata
from quickscale_stripe_sandbox.operations import payment_methods, subscriptions
from quickscale_stripe_sandbox.operations.subscription_items import items_of

_FEATURES: Object = {
    "customer_update": {"allowed_updates": ["email", "name"], "enabled": False},
    "invoice_history": {"enabled": True},
    "payment_method_update": {"enabled": True, "payment_method_configuration": None},
    "subscription_cancel": {
        "cancellation_reason": {"enabled": False, "options": []},
        "enabled": True,
        "mode": "at_period_end",
        "proration_behavior": "none",
    },
    "subscription_pause": {"duration": None, "enabled": False},
    "subscription_update": {
        "billing_cycle_anchor": None,
        "default_allowed_updates": ["price"],
        "enabled": True,
        "proration_behavior": "always_invoice",
        "schedule_at_period_end": {"conditions": []},
        "trial_update_behavior": "end_trial",
    },
}


def _new_configuration(world: World, params: Object, *, default: bool) -> Object:
    given = params.get("features", {})
    profile = {"headline": None, "privacy_policy_url": None, "terms_of_service_url": None}
    return world.new(
        "billing_portal.configuration",
        "bpc",
        active=True,
        business_profile=profile | params.get("business_profile", {}),
        default_return_url=params.get("default_return_url"),
        features={key: value | given.get(key, {}) for key, value in _FEATURES.items()},
        is_default=default,
        login_page={"enabled": False, "url": None},
        metadata=params.get("metadata", {}) or {},
        name=params.get("name"),
        updated=world.now,
    )


def save_default_configuration(world: World) -> None:
    """Save the portal's settings, as a person does once in Stripe's dashboard."""
    if not world.all("billing_portal.configuration", is_default=True):
        _new_configuration(world, {}, default=True)


def _default_configuration(world: World) -> Object:
    """docs.stripe.com/customer-management/integrate-customer-portal: settings must be saved."""
    found = world.all("billing_portal.configuration", is_default=True)
    if not found:
        raise invalid(
            "No configuration provided and your test mode default configuration has not been"
            " created. Provide a configuration or create your default by saving your customer"
            " portal settings in test mode."
        )
    return found[0]


@serves("billing_portal.configurations.create")
def create_configuration(world: World, params: Object) -> Object:
    return _new_configuration(world, params, default=False)


@serves("billing_portal.configurations.retrieve")
def retrieve_configuration(world: World, params: Object, configuration_id: str) -> Object:
    return world.get("billing_portal.configuration", configuration_id)


@serves("billing_portal.configurations.update")
def update_configuration(world: World, params: Object, configuration_id: str) -> Object:
    configuration = world.get("billing_portal.configuration", configuration_id)
    merge_metadata(configuration, params)
    for key, value in params.get("features", {}).items():
        configuration["features"][key] |= value
    for key in {"active", "default_return_url", "name"} & params.keys():
        configuration[key] = params[key]
    return world.save(configuration | {"updated": world.now})


@serves("billing_portal.configurations.list")
def list_configurations(world: World, params: Object) -> Object:
    found = world.all(
        "billing_portal.configuration",
        active=params.get("active"),
        is_default=params.get("is_default"),
    )
    return world.page(found, params, "/v1/billing_portal/configurations")


@serves("billing_portal.sessions.create")
def create(world: World, params: Object) -> Object:
    customer = world.get("customer", params.get("customer", ""), "customer")
    if "configuration" in params:
        kind = "billing_portal.configuration"
        configuration = world.get(kind, params["configuration"], "configuration")
    else:
        configuration = _default_configuration(world)
    session = world.new(
        "billing_portal.session",
        "bps",
        configuration=configuration["id"],
        customer=customer["id"],
        flow=_flow(params.get("flow_data")),
        locale=params.get("locale"),
        return_url=params.get("return_url") or configuration["default_return_url"],
        url="",
    )
    return world.save(session | {"url": f"{world.base_url}/p/session/{session['id']}"})


def _flow(given: Object | None) -> Object | None:
    if given is None:
        return None
    parts = ("subscription_cancel", "subscription_update", "subscription_update_confirm")
    after = {"hosted_confirmation": None, "redirect": None, "type": "portal_homepage"}
    return {
        "after_completion": after | given.get("after_completion", {}),
        **{key: given.get(key) for key in parts},
        "type": given["type"],
    }


# What a person does there ------------------------------------------------------------------------


def save_method(world: World, customer_id: str, method: Method) -> None:
    """Make a payment method the customer's default; a subscription's own method stays."""
    customer = world.get("customer", customer_id)
    saved = payment_methods.new_method(
        world, method, email=customer["email"], name=customer["name"]
    )
    payment_methods.attach(world, saved, customer_id)
    customer["invoice_settings"]["default_payment_method"] = saved["id"]
    world.save(customer, "customer.updated")


def save_details(world: World, customer_id: str, details: Object) -> None:
    """Change the customer's details on invoices: ``email``, ``name`` and the parts of
    ``address``."""
    customer = world.get("customer", customer_id)
    parts = ("line1", "line2", "postal_code", "city", "state", "country")
    address = {part: details.get(part) or None for part in parts}
    customer |= {
        "address": address if any(address.values()) else None,
        "email": details.get("email") or None,
        "name": details.get("name") or None,
    }
    world.save(customer, "customer.updated")


def change_plan(world: World, customer_id: str, subscription_id: str, price_id: str) -> None:
    """Change the price at once, with its invoice, as the portal's default configuration does."""
    subscription = _own(world, customer_id, subscription_id)
    item = items_of(subscription)[0]
    params = {
        "items": [{"id": item["id"], "price": price_id}],
        "payment_behavior": "pending_if_incomplete",
        "proration_behavior": "always_invoice",
    }
    subscriptions.update(world, params, subscription_id)


def set_cancel(world: World, customer_id: str, subscription_id: str, *, cancel: bool) -> None:
    """Set a time, not "at period end", as in flexible billing mode."""
    subscription = _own(world, customer_id, subscription_id)
    if subscription["cancel_at_period_end"] and not cancel:
        subscriptions.update(world, {"cancel_at_period_end": False}, subscription_id)
    else:
        moment = "max_period_end" if cancel else ""
        subscriptions.update(world, {"cancel_at": moment}, subscription_id)


def _own(world: World, customer_id: str, subscription_id: str) -> Object:
    found = world.get("subscription", subscription_id)
    if found["customer"] != customer_id:
        return world.get("subscription", "")
    return found
