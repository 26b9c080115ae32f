"""The pages that a buyer sees: payment, the bank's question, receipts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from quickscale.formats import format_money
from quickscale.internal.brand import brand_name
from quickscale_stripe_sandbox.internal.methods import METHODS
from quickscale_stripe_sandbox.internal.responses import Request, SandboxResponse, redirect
from quickscale_stripe_sandbox.internal.world import Object, World
from quickscale_stripe_sandbox.operations import taxes
from quickscale_stripe_sandbox.operations.checkout import success_url
from quickscale_stripe_sandbox.pages import render
from quickscale_stripe_sandbox.pages.web import at, message

if TYPE_CHECKING:
    from quickscale_stripe_sandbox.internal.engine import Sandbox

# The payment page --------------------------------------------------------------------------------


@at(r"/c/pay/([^/]+)")
def payment_page(sandbox: Sandbox, request: Request, session_id: str) -> SandboxResponse:
    if request.method == "POST":
        form = request.form
        if "code" in form:
            refused = sandbox.enter_code(session_id, form["code"])
            if refused:
                return _payment_form(sandbox, request, session_id, code_error=refused)
            return redirect(f"{request.base}{request.path}")
        step = sandbox.pay(
            session_id,
            form.get("method", "card"),
            email=form.get("email") or None,
            name=form.get("name") or None,
            base_url=request.base,
        )
        if step.url:
            return redirect(step.url)
        return _payment_form(sandbox, request, session_id, step.error)
    return _payment_form(sandbox, request, session_id)


def _payment_form(
    sandbox: Sandbox, request: Request, session_id: str, error: str = "", code_error: str = ""
) -> SandboxResponse:
    with sandbox.world(request.base) as world:
        session = world.get("checkout.session", session_id)
        customer = world.find(session["customer"])
        items = [_shown_item(world, item) for item in session["_line_items"]]
        discount = _shown_discount(world, session)
    if session["status"] != "open":
        return _closed(request, session)
    known = (customer and customer["email"]) or session["customer_email"] or ""
    form = request.form
    sums = {
        name: sum(item[f"amount_{name}"] for item in session["_line_items"])
        for name in ("subtotal", "tax", "total")
    }
    total = shown_amount(sums["total"], session) if items else ""
    trial_days = session["_subscription"].get("trial_period_days", 0)
    due = format_money(0, session["currency"]) if trial_days else total
    return render.page(
        request,
        "pay",
        leads_to=success_url(session),
        ask_method=session["payment_status"] != "no_payment_required"
        or session["payment_method_collection"] == "always",
        button=_button(session, total, trial_days),
        cancel_url=session["cancel_url"],
        chosen=form.get("method", "card"),
        code=form.get("code", ""),
        code_error=code_error,
        discount=discount,
        due=due,
        email=known or form.get("email") or (session["customer_details"] or {}).get("email") or "",
        email_fixed=bool(known),
        error=error,
        heading=_heading(session),
        interval=next((item["interval"] for item in items if item["interval"]), ""),
        items=items,
        methods=[method for method in METHODS if session["mode"] in method.modes],
        name=form.get("name", (customer and customer["name"]) or "Sam Buyer"),
        session_id=session_id,
        subtotal=shown_amount(sums["subtotal"], session) if items else "",
        takes_code=session["allow_promotion_codes"],
        tax=shown_amount(sums["tax"], session) if sums["tax"] else "",
        tax_percent=str(taxes.PERCENT),
        total=total,
        trial_days=str(trial_days or ""),
    )


def _closed(request: Request, session: Object) -> SandboxResponse:
    if session["status"] == "complete":
        heading, text = "You're all done here", "This payment page is no longer needed."
        link, link_text = success_url(session), f"Continue to {brand_name()}"
    else:
        heading, text = "This page has expired", "Go back and start again."
        link, link_text = session["cancel_url"], f"Back to {brand_name()}"
    return message(request, 200, heading, text, link=link, link_text=link_text)


def _shown_item(world: World, item: Object) -> Object:
    product = world.get("product", item["price"]["product"])
    recurring = item["price"]["recurring"]
    return {
        "name": product["name"],
        "description": product["description"],
        "amount": shown_amount(item["amount_subtotal"], item),
        "quantity": str(item["quantity"]) if item["quantity"] > 1 else "",
        "unit": shown_amount(item["price"]["unit_amount"], item),
        "interval": interval_of(recurring) if recurring else "",
    }


def interval_of(recurring: Object) -> str:
    count = recurring["interval_count"]
    return (
        f"per {recurring['interval']}" if count == 1 else f"every {count} {recurring['interval']}s"
    )


def shown_amount(amount: int, value: Object) -> str:
    return format_money(amount, value["currency"])


def _shown_discount(world: World, session: Object) -> Object | None:
    if not session["discounts"]:
        return None
    [chosen] = session["discounts"]
    coupon = world.get("coupon", chosen["coupon"])
    code = world.find(chosen["promotion_code"])
    amount = sum(item["amount_discount"] for item in session["_line_items"])
    return {
        "amount": shown_amount(-amount, session),
        "name": code["code"] if code else coupon["name"] or coupon["id"],
        "off": f"{coupon['percent_off']:g}% off" if coupon["percent_off"] else "",
    }


def _heading(session: Object) -> str:
    return {
        "payment": f"Pay {brand_name()}",
        "subscription": f"Subscribe to {brand_name()}",
        "setup": f"Save a payment method with {brand_name()}",
    }[session["mode"]]


def _button(session: Object, total: str, trial_days: int) -> str:
    if session["mode"] == "setup":
        return "Save"
    if session["mode"] == "subscription":
        return "Start trial" if trial_days else "Subscribe"
    return f"Pay {total}" if session["amount_total"] else "Complete order"


# The bank's question -----------------------------------------------------------------------------


@at(r"/c/3ds/([^/]+)")
def bank_page(sandbox: Sandbox, request: Request, intent_id: str) -> SandboxResponse:
    with sandbox.world(request.base) as world:
        intent = world.get("payment_intent", intent_id)
        session = world.find(intent.get("_session"))
    if request.method == "POST":
        approved = request.form.get("answer") == "approve"
        step = sandbox.answer_bank(intent_id, approved=approved, base_url=request.base)
        if step.url:
            return redirect(step.url)
        if session:
            return _payment_form(sandbox, request, session["id"], step.error)
        return message(request, 200, "The payment failed", step.error)
    if intent["status"] != "requires_action":
        return message(
            request, 200, "Nothing to approve", "The bank has already received an answer."
        )
    return render.page(
        request,
        "bank",
        leads_to=intent.get("_return_url") or request.base,
        total=shown_amount(intent["amount"], intent),
    )


# Receipts ----------------------------------------------------------------------------------------


@at(r"/receipts/([^/]+)")
def receipt_page(sandbox: Sandbox, request: Request, charge_id: str) -> SandboxResponse:
    with sandbox.world(request.base) as world:
        charge = world.get("charge", charge_id)
    details = charge["payment_method_details"]
    paid_with = details[details["type"]]
    rows = [
        ("Amount paid", shown_amount(charge["amount_captured"], charge)),
        ("Date", f"{datetime.fromtimestamp(charge['created'], UTC):%d %B %Y}"),
        ("Payment method", f"•••• {paid_with['last4']}"),
    ]
    if charge["amount_refunded"]:
        rows.append(("Refunded", shown_amount(charge["amount_refunded"], charge)))
    text = f"Charge {charge_id}"
    return message(request, 200, f"Receipt from {brand_name()}", text, rows=rows)
