"""Checkout sessions: the hosted page's state, and what happens on payment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from quickscale_stripe_sandbox.internal import amounts
from quickscale_stripe_sandbox.internal.errors import invalid
from quickscale_stripe_sandbox.internal.methods import Method
from quickscale_stripe_sandbox.internal.routes import serves
from quickscale_stripe_sandbox.internal.world import (
    Object,
    World,
    included,
    merge_metadata,
    task,
    token,
)
from quickscale_stripe_sandbox.operations import discounts, payment_methods, payments, taxes
from quickscale_stripe_sandbox.operations.catalogue import price_from
from quickscale_stripe_sandbox.operations.customers import check_currency, new_customer
from quickscale_stripe_sandbox.operations.subscription_items import check_prices

_DAY = 24 * 60 * 60
_MAX_REFERENCE = 200
_ADDRESS: Object = {
    "city": None, "country": "US", "line1": None, "line2": None, "postal_code": None, "state": None,
}  # fmt: skip
#: The parts that the sandbox obeys in parameters that only apply when the session is paid.
_OBEYED = {
    "invoice_creation": {"enabled"},
    "payment_intent_data": {
        "description", "metadata", "receipt_email", "setup_future_usage", "statement_descriptor",
    },
    "setup_intent_data": {"description", "metadata"},
    "subscription_data": {
        "description", "metadata", "trial_end", "trial_period_days", "trial_settings",
    },
}  # fmt: skip


@dataclass(frozen=True)
class Step:
    """What the hosted page does next: redirect the person, ask the bank, or show an error."""

    url: str = ""
    error: str = ""


#: What happens on payment in each mode: function of the world, the session and the method.
MODES: dict[str, Callable[[World, Object, Object], Step]] = {}
#: What a completed session makes in each mode: function of the world, the session and the intent.
RESULTS: dict[str, Callable[[World, Object, Object], None]] = {}


# Making and reading ------------------------------------------------------------------------------


@serves("checkout.sessions.create")
def create(world: World, params: Object) -> Object:
    mode = params.get("mode")
    if mode is None:
        raise invalid("You must provide `mode`.", "mode", "parameter_missing")
    ui_mode = params.get("ui_mode", "hosted_page")
    _check_urls(params, ui_mode)
    for name, obeyed in _OBEYED.items():
        for inner in params.get(name, {}).keys() - obeyed:
            raise invalid(f"Stripe knows {name}[{inner}], but the sandbox doesn't yet.", name)
    customer = None
    if "customer" in params:
        if "customer_email" in params:
            raise invalid("You may only specify one of these parameters: customer, customer_email.")
        customer = world.get("customer", params["customer"], "customer")
    _check_mode(params, mode)
    _check_customer(world, params, customer)
    items = _line_items(world, params.get("line_items", []), mode)
    if mode == "subscription":
        check_currency(world, params.get("customer"), items[0]["currency"])
    chosen = discounts.chosen_from(world, params, items[0]["currency"] if items else "")
    if "discounts" in params and "allow_promotion_codes" in params:
        raise invalid(
            "You may only specify one of these parameters: allow_promotion_codes, discounts."
        )
    taxed = params.get("automatic_tax", {}).get("enabled", False)
    data = params.get("subscription_data", {})
    on_trial = bool(data.get("trial_period_days") or data.get("trial_end"))
    expires_at = params.get("expires_at", world.now + _DAY)
    if not world.now + 29 * 60 <= expires_at <= world.now + _DAY + 60:
        raise invalid(
            "The `expires_at` timestamp must be between 30 minutes and 24 hours from Checkout"
            " Session creation.",
            "expires_at",
        )
    session_id = f"cs_test_a1{token(56)}"
    email = customer["email"] if customer else params.get("customer_email")
    session = world.new(
        "checkout.session",
        "cs_test",
        id=session_id,
        _customer_update=params.get("customer_update", {}),
        _line_items=items,
        _intent=params.get("payment_intent_data", {}),
        _setup=params.get("setup_intent_data", {}),
        _on_trial=on_trial,
        _subscription=data,
        adaptive_pricing={"enabled": False},
        allow_promotion_codes=params.get("allow_promotion_codes"),
        automatic_tax=taxes.automatic(taxed),
        billing_address_collection=params.get("billing_address_collection"),
        cancel_url=params.get("cancel_url"),
        client_reference_id=params.get("client_reference_id"),
        client_secret=None if ui_mode == "hosted_page" else f"{session_id}_secret_{token()}",
        currency=items[0]["currency"] if items else params.get("currency"),
        custom_fields=[],
        custom_text={
            "after_submit": None,
            "shipping_address": None,
            "submit": None,
            "terms_of_service_acceptance": None,
        },
        customer=params.get("customer"),
        customer_creation=params.get("customer_creation", "if_required")
        if mode == "payment" and not customer
        else None,
        customer_details=_details(email, customer["name"] if customer else None) if email else None,
        customer_email=params.get("customer_email"),
        discounts=chosen,
        expires_at=expires_at,
        invoice_creation=_invoice_creation(params) if mode == "payment" else None,
        locale=params.get("locale"),
        metadata=params.get("metadata", {}) or {},
        mode=mode,
        payment_method_collection="always"
        if mode == "setup"
        else params.get("payment_method_collection", "always" if mode == "subscription" else None)
        or "if_required",
        payment_method_options={},
        payment_method_types=["card", "us_bank_account"],
        payment_status="no_payment_required",
        phone_number_collection={"enabled": False},
        redirect_on_completion=None if ui_mode == "hosted_page" else "always",
        return_url=params.get("return_url"),
        shipping_options=[],
        status="open",
        submit_type=params.get("submit_type"),
        success_url=params.get("success_url"),
        tax_id_collection=_tax_ids(params),
        ui_mode=ui_mode,
        url=f"{world.base_url}/c/pay/{session_id}" if ui_mode == "hosted_page" else None,
    )
    _price(world, session)
    if session["payment_status"] == "unpaid":
        amounts.check_charge(session["amount_total"], session["currency"], "line_items")
    world.schedule(expires_at, expire_session, session_id)
    if mode == "setup":
        RESULTS["setup"](world, session, {})
    return session


def _price(world: World, session: Object) -> None:
    """Compute the amount to pay from the items, the discount and the tax."""
    items = session["_line_items"]
    amounts = [item["amount_subtotal"] for item in items]
    cuts = discounts.cuts_of(world, session["discounts"], amounts)
    for item, cut in zip(items, cuts, strict=True):
        net = item["amount_subtotal"] - cut
        tax = taxes.tax_on(net, item["price"]) if session["automatic_tax"]["enabled"] else 0
        total = net + taxes.on_top(tax, item["price"])
        item |= {"amount_discount": cut, "amount_tax": tax, "amount_total": total}
    if items:
        due = [] if session["_on_trial"] else items
        session |= {
            "amount_subtotal": sum(item["amount_subtotal"] for item in due),
            "amount_total": sum(item["amount_total"] for item in due),
            "total_details": {
                "amount_discount": sum(item["amount_discount"] for item in due),
                "amount_shipping": 0,
                "amount_tax": sum(item["amount_tax"] for item in due),
            },
            "payment_status": "unpaid"
            if any(item["amount_total"] for item in due)
            else "no_payment_required",
        }
    world.save(session)


def _check_urls(params: Object, ui_mode: str) -> None:
    needed = "success_url" if ui_mode == "hosted_page" else "return_url"
    if not params.get(needed):
        raise invalid(f"Missing required param: {needed}.", needed, "parameter_missing")
    for name in ("success_url", "cancel_url", "return_url"):
        url = params.get(name)
        if url and not url.startswith(("http://", "https://")):
            raise invalid("Not a valid URL", name, "url_invalid")


def _check_mode(params: Object, mode: str) -> None:
    """Refuse parameters of another mode, as the SDK's docstrings for them say."""
    for name, needed in (
        ("invoice_creation", "payment"),
        ("payment_intent_data", "payment"),
        ("setup_intent_data", "setup"),
        ("subscription_data", "subscription"),
    ):
        if name in params and mode != needed:
            raise invalid(f"You can not pass `{name}` in `{mode}` mode.", name)
    if mode == "setup" and not params.get("currency"):
        raise invalid(
            "You must provide `currency` in `setup` mode.", "currency", "parameter_missing"
        )
    if len(params.get("client_reference_id", "")) > _MAX_REFERENCE:
        raise invalid(
            f"Invalid string: client_reference_id; must be at most {_MAX_REFERENCE} characters",
            "client_reference_id",
        )


def _check_customer(world: World, params: Object, customer: Object | None) -> None:
    """Refuse what would have to be saved on a customer but may not be.

    See docs.stripe.com/tax/checkout and docs.stripe.com/tax/checkout/tax-ids on existing customers.
    """
    may_save = params.get("customer_update", {})
    if customer is None:
        if may_save:
            raise invalid("`customer_update` can only be used with `customer`.", "customer_update")
        return
    taxed = params.get("automatic_tax", {}).get("enabled")
    if taxed and not customer["address"] and may_save.get("address") != "auto":
        raise invalid(
            "Automatic tax calculation in Checkout requires a valid address on the Customer. Add a"
            " valid address to the Customer or set `customer_update[address]` to 'auto'.",
            "automatic_tax",
            "customer_tax_location_invalid",
        )
    asks_tax_id = params.get("tax_id_collection", {}).get("enabled")
    if asks_tax_id and may_save.get("name") != "auto":
        raise invalid(
            "Tax ID collection requires updating business name on the customer. To enable tax ID"
            " collection for an existing customer, please set `customer_update[name]` to `auto`.",
            "tax_id_collection",
        )


def _line_items(world: World, given: list[Object], mode: str) -> list[Object]:
    if mode == "setup":
        if given:
            raise invalid("You can not pass `line_items` in `setup` mode.", "line_items")
        return []
    if not given:
        raise invalid(
            f"Missing required param: line_items (mode is `{mode}`).",
            "line_items",
            "parameter_missing",
        )
    items = []
    for index, item in enumerate(given):
        name = f"line_items[{index}]"
        price = price_from(world, item, name)
        quantity = item.get("quantity")
        if quantity is None or quantity < 1:
            raise invalid("Quantity is required, and must be at least 1.", f"{name}[quantity]")
        items.append(_line_item(world, price, quantity, item.get("metadata", {})))
    recurring = [item["price"]["type"] == "recurring" for item in items]
    if mode == "payment" and any(recurring):
        raise invalid(
            "You specified `payment` mode but passed a recurring price. Either switch to"
            " `subscription` mode or use only one-time prices.",
            "line_items",
        )
    if mode == "subscription" and any(recurring) and not all(recurring):
        raise invalid("The sandbox can't mix one-time and recurring prices.", "line_items")
    if mode == "subscription" and not any(recurring):
        raise invalid(
            "You must provide at least one recurring price in `subscription` mode when using"
            " prices.",
            "line_items",
        )
    if mode == "subscription":
        check_prices([item["price"] for item in items], "line_items")
    if len({item["currency"] for item in items}) > 1:
        raise invalid("All prices on a Checkout Session must have the same currency.", "line_items")
    return items


def _line_item(world: World, price: Object, quantity: int, metadata: Object) -> Object:
    amount = price["unit_amount"] * quantity
    return {
        "id": f"li_{token()}",
        "object": "item",
        "adjustable_quantity": None,
        "amount_discount": 0,
        "amount_subtotal": amount,
        "amount_tax": 0,
        "amount_total": amount,
        "currency": price["currency"],
        "description": world.get("product", price["product"])["name"],
        "metadata": metadata,
        "price": price,
        "quantity": quantity,
    }


def _details(email: str | None, name: str | None) -> Object:
    return {
        "address": None,
        "business_name": None,
        "email": email,
        "individual_name": None,
        "name": name,
        "phone": None,
        "tax_exempt": "none",
        "tax_ids": [],
    }


def _invoice_creation(params: Object) -> Object:
    return {
        "enabled": params.get("invoice_creation", {}).get("enabled", False),
        "invoice_data": {
            "account_tax_ids": None,
            "custom_fields": None,
            "description": None,
            "footer": None,
            "issuer": None,
            "metadata": {},
            "rendering_options": None,
        },
    }


def _tax_ids(params: Object) -> Object | None:
    wanted = params.get("tax_id_collection")
    return wanted and {"enabled": wanted["enabled"], "required": wanted.get("required", "never")}


@included("checkout.session", "line_items")
def _included_line_items(world: World, session: Object) -> Object:
    return list_line_items(world, {}, session["id"])


@serves("checkout.sessions.line_items.list")
def list_line_items(world: World, params: Object, session_id: str) -> Object:
    session = world.get("checkout.session", session_id)
    url = f"/v1/checkout/sessions/{session_id}/line_items"
    return world.page(session["_line_items"], params, url)


@serves("checkout.sessions.retrieve")
def retrieve(world: World, params: Object, session_id: str) -> Object:
    return world.get("checkout.session", session_id)


@serves("checkout.sessions.update")
def update(world: World, params: Object, session_id: str) -> Object:
    session = world.get("checkout.session", session_id)
    merge_metadata(session, params)
    return world.save(session)


@serves("checkout.sessions.list")
def listing(world: World, params: Object) -> Object:
    sessions = world.all(
        "checkout.session",
        customer=params.get("customer"),
        payment_intent=params.get("payment_intent"),
        status=params.get("status"),
        subscription=params.get("subscription"),
    )
    if email := params.get("customer_details", {}).get("email"):
        sessions = [
            session
            for session in sessions
            if (session["customer_details"] or {}).get("email") == email
        ]
    return world.page(sessions, params, "/v1/checkout/sessions")


@serves("checkout.sessions.expire")
def expire(world: World, params: Object, session_id: str) -> Object:
    session = world.get("checkout.session", session_id)
    if session["status"] != "open":
        raise invalid(
            'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout'
            f" Session has a status of {session['status']}."
        )
    expire_session(world, session_id)
    return world.get("checkout.session", session_id)


@task
def expire_session(world: World, session_id: str) -> None:
    session = world.get("checkout.session", session_id)
    if session["status"] == "open":
        session |= {"status": "expired", "url": None}
        world.save(session, "checkout.session.expired")


# Paying ------------------------------------------------------------------------------------------


def enter_code(world: World, session: Object, text: str) -> None:
    """Apply the promotion code that a person typed on the hosted page; "" removes it.

    Raises:
        ApiError: the code isn't valid for this person or purchase.
    """
    if session["status"] != "open" or not session["allow_promotion_codes"]:
        raise invalid("This page doesn't take promotion codes.")
    chosen = []
    if text.strip():
        code = discounts.find_code(world, text, session["customer"], session["amount_subtotal"])
        chosen = discounts.chosen_from(world, {"discounts": [code]}, session["currency"])
    session["discounts"] = chosen
    _price(world, session)
    for intent_id in (session["payment_intent"], session.get("_attempt")):
        if intent := world.find(intent_id):
            world.save(intent | {"amount": session["amount_total"]})


def pay(
    world: World, session: Object, method: Method, *, email: str | None, name: str | None
) -> Step:
    """Handle a press of the hosted page's button."""
    if session["status"] != "open":
        return Step(url=success_url(session))
    customer = world.find(session["customer"])
    email = (customer or {}).get("email") or session["customer_email"] or email
    if customer is None and (
        session["mode"] == "subscription" or session["customer_creation"] == "always"
    ):
        customer = new_customer(world, email=email, name=name)
        session["customer"] = customer["id"]
    session["customer_details"] = _details(email, name or (customer or {}).get("name"))
    world.save(session)
    _save_details(world, session, name)
    payment_method = payment_methods.new_method(world, method, email=email, name=name)
    return MODES[session["mode"]](world, session, payment_method)


def _save_details(world: World, session: Object, name: str | None) -> None:
    """Save what ``customer_update`` says on the customer; the page only asks for a country."""
    may_save = session.get("_customer_update", {})
    customer = world.find(session["customer"])
    if customer is None or "auto" not in may_save.values():
        return
    if may_save.get("name") == "auto":
        customer["name"] = name or customer["name"]
    if may_save.get("address") == "auto":
        customer["address"] = customer["address"] or _ADDRESS
    world.save(customer, "customer.updated")


def answer_bank(world: World, intent: Object, *, approved: bool) -> Step:
    """Handle a person's answer on the bank's page."""
    if intent["status"] == "requires_action":
        intent = payments.authenticate(world, intent, approved=approved)
    session = world.find(intent.get("_session"))
    if session is None:
        return Step(url=intent.get("_return_url") or "")
    return _next_step(session, intent)


def _pay_once(world: World, session: Object, method: Object) -> Step:
    if session["payment_status"] == "no_payment_required":
        complete(world, session)
        return Step(url=success_url(session))
    intent = world.find(session["payment_intent"])
    if intent is None:
        intent = new_intent(world, session, session["_intent"])
        session["payment_intent"] = intent["id"]
        world.save(session)
    if session["customer"] and intent["setup_future_usage"]:
        method = payment_methods.attach(world, method, session["customer"])
    return confirm(world, session, intent, method)


MODES["payment"] = _pay_once


def new_intent(world: World, session: Object, data: Object) -> Object:
    """Make the intent that pays for a session; ``data`` is shaped like ``payment_intent_data``."""
    return payments.new_intent(
        world,
        session["amount_total"],
        session["currency"],
        _for=session["id"],
        _session=session["id"],
        _return_url=success_url(session),
        customer=session["customer"],
        description=data.get("description"),
        metadata=data.get("metadata", {}),
        receipt_email=data.get("receipt_email"),
        setup_future_usage=data.get("setup_future_usage"),
        statement_descriptor=data.get("statement_descriptor"),
    )


def confirm(world: World, session: Object, intent: Object, method: Object) -> Step:
    """Try to take the money for a session."""
    intent = payments.confirm(world, intent, method)
    return _next_step(world.get("checkout.session", session["id"]), intent)


def _next_step(session: Object, intent: Object) -> Step:
    if intent["next_action"]:
        return Step(url=intent["next_action"]["redirect_to_url"]["url"])
    if intent["last_payment_error"]:
        return Step(error=intent["last_payment_error"]["message"])
    return Step(url=success_url(session))


@payments.follows_payment("checkout.session")
def _payment_changed(world: World, session: Object, intent: Object) -> None:
    paid = intent["status"] == "succeeded"
    if session["status"] == "open" and (paid or intent["status"] == "processing"):
        session["payment_status"] = "paid" if paid else "unpaid"
        if session["mode"] in RESULTS:
            RESULTS[session["mode"]](world, session, intent)
        complete(world, session)
    elif session["status"] == "complete" and session["payment_status"] == "unpaid":
        if paid:
            session["payment_status"] = "paid"
            world.save(session, "checkout.session.async_payment_succeeded")
        elif intent["status"] == "requires_payment_method":
            world.emit("checkout.session.async_payment_failed", session)


def complete(world: World, session: Object) -> None:
    """Close the session after the person has done their part."""
    world.unschedule(expire_session, session["id"])
    if session["mode"] == "payment":
        customer = session["customer"]
        discounts.redeem(
            world, session["discounts"], checkout_session=session["id"], customer=customer
        )
    session |= {"status": "complete", "url": None}
    world.save(session, "checkout.session.completed")


def success_url(session: Object) -> str:
    url: str = session["success_url"] or session["return_url"]
    return url.replace("{CHECKOUT_SESSION_ID}", session["id"])
