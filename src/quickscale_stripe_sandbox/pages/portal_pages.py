"""The customer portal and the hosted invoice."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from quickscale.internal.brand import brand_name
from quickscale_stripe_sandbox.internal.methods import METHODS, find_method
from quickscale_stripe_sandbox.internal.responses import Request, SandboxResponse, redirect
from quickscale_stripe_sandbox.internal.world import Object, World
from quickscale_stripe_sandbox.operations import invoices, payment_methods, portal
from quickscale_stripe_sandbox.operations.subscription_items import items_of, period_end
from quickscale_stripe_sandbox.pages import render
from quickscale_stripe_sandbox.pages.payment_pages import interval_of, shown_amount
from quickscale_stripe_sandbox.pages.web import at, message

if TYPE_CHECKING:
    from quickscale_stripe_sandbox.internal.engine import Sandbox

_SAVEABLE = [method for method in METHODS if "setup" in method.modes]


@at(r"/p/session/([^/]+)")
def portal_page(sandbox: Sandbox, request: Request, session_id: str) -> SandboxResponse:
    with sandbox.world(request.base) as world:
        session = world.get("billing_portal.session", session_id)
        flow = session["flow"] or {}
        if request.method == "POST":
            _act(world, session["customer"], request.form)
            after = (flow.get("after_completion") or {}).get("redirect") or {}
            return redirect(after.get("return_url") or session["url"])
        customer_id = session["customer"]
        customer = world.get("customer", customer_id)
        running = [
            _shown_subscription(world, value)
            for value in world.all("subscription", customer=customer_id)
            if value["status"] not in {"canceled", "incomplete_expired"}
        ]
        billed = [_shown_invoice(value) for value in world.all("invoice", customer=customer_id)]
        saved = [
            _shown_method(value) for value in world.all("payment_method", customer=customer_id)
        ]
    return render.page(
        request,
        "portal",
        adds_method=flow.get("type") == "payment_method_update",
        leads_to=session["return_url"] or "",
        details=_details(customer),
        invoices=billed,
        methods=_SAVEABLE,
        return_url=session["return_url"],
        saved=saved,
        subscriptions=running,
    )


def _act(world: World, customer_id: str, form: Object) -> None:
    action = form.get("action")
    if action in {"cancel", "keep"}:
        portal.set_cancel(world, customer_id, form["subscription"], cancel=action == "cancel")
    elif action == "change":
        portal.change_plan(world, customer_id, form["subscription"], form["price"])
    elif action == "method":
        method = find_method(form.get("method", ""))
        if method is None:
            raise ValueError("This payment method does not exist.")
        portal.save_method(world, customer_id, method)
    elif action == "details":
        portal.save_details(world, customer_id, form)
    else:
        raise ValueError("The portal can't do this.")


def _shown_subscription(world: World, subscription: Object) -> Object:
    items = items_of(subscription)
    current = items[0]["price"]
    ends = subscription["cancel_at"]
    return {
        "id": subscription["id"],
        "name": ", ".join(world.get("product", item["price"]["product"])["name"] for item in items),
        "price": f"{shown_amount(current['unit_amount'], current)}"
        f" {interval_of(current['recurring'])}",
        "status": subscription["status"].replace("_", " "),
        "ends": _date(ends) if ends else "",
        "renews": _date(period_end(subscription)),
        "others": [
            {
                "id": price["id"],
                "name": f"{world.get('product', price['product'])['name']}:"
                f" {shown_amount(price['unit_amount'], price)} {interval_of(price['recurring'])}",
            }
            for price in reversed(world.all("price", active=True, type="recurring"))
            if price["id"] != current["id"] and price["currency"] == current["currency"]
        ],
    }


def _details(customer: Object) -> list[tuple[str, str, str, str, str]]:
    """Return the fields of the billing details: name, label, type, autocomplete token and value."""
    address = customer["address"] or {}
    return [
        ("name", "Name", "text", "name", customer["name"] or ""),
        ("email", "Email", "email", "email", customer["email"] or ""),
        *(
            (name, label, "text", fills, address.get(name) or "")
            for name, label, fills in (
                ("line1", "Address", "address-line1"),
                ("line2", "Address, second line", "address-line2"),
                ("postal_code", "Postal code", "postal-code"),
                ("city", "City", "address-level2"),
                ("country", "Country (two letters)", "country"),
            )
        ),
    ]


def _shown_invoice(invoice: Object) -> Object:
    return {
        "url": invoice["hosted_invoice_url"],
        "number": invoice["number"] or "Draft",
        "date": _date(invoice["created"]),
        "total": shown_amount(invoice["total"], invoice),
        "status": invoice["status"],
    }


def _shown_method(method: Object) -> str:
    details = method[method["type"]]
    name = details.get("brand") or details.get("bank_name")
    return f"{name.capitalize()} •••• {details['last4']}"


def _date(timestamp: int) -> str:
    return f"{datetime.fromtimestamp(timestamp, UTC):%d %B %Y}"


def _sum(invoice: Object, name: str) -> int:
    return sum(entry["amount"] for entry in invoice[name])


@at(r"/i/([^/]+)(?:/pdf)?")
def invoice_page(sandbox: Sandbox, request: Request, invoice_id: str) -> SandboxResponse:
    with sandbox.world(request.base) as world:
        invoice = world.get("invoice", invoice_id)
        if request.method == "POST":
            method = find_method(request.form.get("method", "card"))
            if method is None:
                raise ValueError("This payment method does not exist.")
            saved = payment_methods.new_method(world, method, email=invoice["customer_email"])
            payment_methods.attach(world, saved, invoice["customer"])
            invoice = invoices.charge(world, invoice, saved, off_session=False)
            intent = invoices.prepare(world, invoice) if invoice["status"] == "open" else {}
            if action := intent.get("next_action"):
                return redirect(action["redirect_to_url"]["url"])
    rows = [
        *[
            (line["description"], shown_amount(line["amount"], line))
            for line in invoice["lines"]["data"]
        ],
        *[
            (label, shown_amount(amount, invoice))
            for label, amount in (
                ("Discount", -_sum(invoice, "total_discount_amounts")),
                ("Tax", _sum(invoice, "total_taxes")),
            )
            if amount
        ],
        ("Total", shown_amount(invoice["total"], invoice)),
        ("Amount due", shown_amount(invoice["amount_remaining"], invoice)),
    ]
    heading = f"Invoice {invoice['number'] or ''} from {brand_name()}"
    if invoice["status"] != "open":
        text = f"This invoice is {invoice['status']}."
        return message(request, 200, heading, text, rows=rows)
    return render.page(
        request,
        "invoice",
        error="The payment failed." if request.method == "POST" else "",
        heading=heading,
        invoice_id=invoice_id,
        methods=_SAVEABLE,
        rows=rows,
    )
