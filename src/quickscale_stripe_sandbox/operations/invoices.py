"""Invoices and how they are paid."""

from __future__ import annotations

from quickscale_stripe_sandbox.internal import amounts
from quickscale_stripe_sandbox.internal.errors import ApiError, invalid
from quickscale_stripe_sandbox.internal.routes import serves
from quickscale_stripe_sandbox.internal.world import (
    Object,
    World,
    included,
    merge_metadata,
    part,
    task,
    token,
)
from quickscale_stripe_sandbox.operations import discounts, payment_methods, payments, taxes

_DAY = 24 * 60 * 60
#: Days from each failed attempt to the next; after the last, the subscription ends.
RETRY_AFTER = (3, 5, 7)


# Making ------------------------------------------------------------------------------------------


def line(
    price: Object,
    quantity: int,
    amount: int,
    description: str,
    period: tuple[int, int],
    *,
    subscription: Object,
    item: str,
    proration: bool = False,
    credited: Object | None = None,
) -> Object:
    """One line of a subscription's invoice.

    ``amount`` is negative for a credit, whose ``credited`` names the lines that it is for.
    """
    return part(
        "line_item",
        id=f"il_{token()}",
        amount=amount,
        currency=price["currency"],
        description=description,
        discount_amounts=[],
        discountable=not proration,
        discounts=[],
        metadata=subscription["metadata"],
        parent={
            "invoice_item_details": None,
            "subscription_item_details": {
                "invoice_item": None,
                "proration": proration,
                "proration_details": {"credited_items": credited},
                "subscription": subscription["id"],
                "subscription_item": item,
            },
            "type": "subscription_item_details",
        },
        period={"start": period[0], "end": period[1]},
        pretax_credit_amounts=[],
        pricing={
            "price_details": {"price": price["id"], "product": price["product"]},
            "type": "price_details",
            "unit_amount_decimal": price["unit_amount_decimal"],
        },
        quantity=quantity,
        subscription=subscription["id"],
        subtotal=amount,
        taxes=[],
    )


def draft(
    world: World, customer: Object, lines: list[Object], reason: str, subscription: Object | None
) -> Object:
    """Return the fields of an invoice that isn't finalized, or of a preview, which never is."""
    invoice_id = f"in_{token()}"
    taxed = bool(subscription and subscription["automatic_tax"]["enabled"])
    discounts.cut_lines(world, subscription, lines)
    if taxed:
        taxes.tax_lines(world, lines)
    sums = _amounts(lines)
    total = sums["total"]
    balance = customer["balance"]
    due, owed = _due(total + balance, lines[0]["currency"] if lines else "")
    period = subscription["items"]["data"][0] if subscription else {}
    return part(
        "invoice",
        id=invoice_id,
        account_country="US",
        account_name="Sandbox",
        amount_due=due,
        amount_overpaid=0,
        amount_paid=0,
        amount_remaining=due,
        amount_shipping=0,
        attempt_count=0,
        attempted=False,
        auto_advance=True,
        automatic_tax={"disabled_reason": None} | taxes.automatic(taxed),
        billing_reason=reason,
        collection_method="charge_automatically",
        created=world.now,
        currency=lines[0]["currency"] if lines else (subscription or {}).get("currency", "usd"),
        customer=customer["id"],
        customer_email=customer["email"],
        customer_name=customer["name"],
        customer_tax_exempt="none",
        customer_tax_ids=[],
        default_tax_rates=[],
        discounts=subscription["discounts"] if subscription else [],
        ending_balance=owed,
        issuer={"type": "self"},
        lines={
            "object": "list",
            "data": [entry | {"invoice": invoice_id} for entry in lines],
            "has_more": False,
            "url": f"/v1/invoices/{invoice_id}/lines",
        },
        parent=subscription
        and {
            "quote_details": None,
            "subscription_details": {
                "metadata": subscription["metadata"],
                "subscription": subscription["id"],
            },
            "type": "subscription_details",
        },
        payment_settings={
            "default_mandate": None,
            "payment_method_options": None,
            "payment_method_types": None,
        },
        period_end=period.get("current_period_start", world.now),
        period_start=_since(reason, subscription, period.get("current_period_start", world.now)),
        post_payment_credit_notes_amount=0,
        pre_payment_credit_notes_amount=0,
        starting_balance=balance,
        status="draft",
        status_transitions={
            "finalized_at": None,
            "marked_uncollectible_at": None,
            "paid_at": None,
            "voided_at": None,
        },
        **sums,
    )


def _since(reason: str, subscription: Object | None, end: int) -> int:
    """Return the start of the invoice's own period.

    A renewal's invoice covers the previous period (docs.stripe.com/api/invoices). Its lines are for
    the next one.
    """
    is_renewal = reason == "subscription_cycle" and subscription is not None
    return int(subscription["_began"]) if is_renewal and subscription else end


def _due(total: int, currency: str) -> tuple[int, int]:
    """Return the amount charged now, and the amount for the next invoice, below 0 for a credit.

    An amount that is too small to charge also waits for the next invoice.
    """
    if total < 0 or amounts.is_below_minimum(total, currency):
        return 0, total
    return total, 0


def _amounts(lines: list[Object]) -> Object:
    """Return the sums of an invoice's lines: amounts less discounts plus taxes."""
    subtotal = sum(entry["amount"] for entry in lines)
    cuts: dict[str, int] = {}
    for cut in (cut for entry in lines for cut in entry["discount_amounts"]):
        cuts[cut["discount"]] = cuts.get(cut["discount"], 0) + cut["amount"]
    total_taxes = taxes.totals(lines)
    within, on_top = (
        sum(tax["amount"] for tax in total_taxes if tax["tax_behavior"] == behavior)
        for behavior in ("inclusive", "exclusive")
    )
    net = subtotal - sum(cuts.values())
    listed = [{"amount": amount, "discount": discount} for discount, amount in cuts.items()]
    return {
        "subtotal": subtotal,
        "subtotal_excluding_tax": subtotal - within,
        "total": net + on_top,
        "total_discount_amounts": listed,
        "total_excluding_tax": net - within,
        "total_pretax_credit_amounts": [
            entry | {"credit_balance_transaction": None, "type": "discount"} for entry in listed
        ],
        "total_taxes": total_taxes,
    }


def issue(
    world: World, customer_id: str, lines: list[Object], reason: str, subscription: Object | None
) -> Object:
    """Make a finalized invoice that waits for its payment.

    Stripe keeps a renewal's invoice as a draft for an hour; here it is finalized at once.
    """
    customer = world.get("customer", customer_id)
    fields = draft(world, customer, lines, reason, subscription)
    invoice = world.new("invoice", "in", **fields)
    world.emit("invoice.created", invoice)
    return finalize(world, invoice)


def finalize(world: World, invoice: Object) -> Object:
    customer = world.get("customer", invoice["customer"])
    if invoice["ending_balance"] != customer["balance"]:
        customer["balance"] = invoice["ending_balance"]
        world.save(customer, "customer.updated")
    number = customer["next_invoice_sequence"]
    world.save(customer | {"next_invoice_sequence": number + 1})
    hosted = f"{world.base_url}/i/{invoice['id']}"
    invoice |= {
        "effective_at": world.now,
        "hosted_invoice_url": hosted,
        "invoice_pdf": f"{hosted}/pdf",
        "number": f"{customer['invoice_prefix']}-{number:04}",
        "status": "open",
        "status_transitions": invoice["status_transitions"] | {"finalized_at": world.now},
    }
    world.save(invoice)
    world.emit("invoice.finalized", invoice)
    if invoice["amount_due"] == 0:
        _mark_paid(world, invoice)
    return invoice


# Paying ------------------------------------------------------------------------------------------


def method_for(world: World, invoice: Object) -> Object | None:
    """Return the payment method that an invoice is charged to, in Stripe's order."""
    details = (invoice["parent"] or {}).get("subscription_details")
    subscription = world.get("subscription", details["subscription"]) if details else {}
    customer = world.get("customer", invoice["customer"])
    default = customer.get("invoice_settings", {}).get("default_payment_method")
    found = world.find(subscription.get("default_payment_method") or default)
    return found if found and found["customer"] == invoice["customer"] else None


def charge(
    world: World, invoice: Object, method: Object | None = None, *, off_session: bool = True
) -> Object:
    """Try to collect an open invoice; its status shows the result."""
    if invoice["status"] != "open":
        return invoice
    method = method or method_for(world, invoice)
    intent = prepare(world, invoice)
    if method is None:
        _failed(world, invoice, intent)
    else:
        intent = payments.confirm(world, intent, method, off_session=off_session)
        if intent["status"] == "requires_action":
            world.emit("invoice.payment_action_required", invoice)
    return world.get("invoice", invoice["id"])


def prepare(world: World, invoice: Object) -> Object:
    """Return the intent that pays an open invoice; it is made on first use."""
    for payment in world.all("invoice_payment", invoice=invoice["id"], status="open"):
        return world.get("payment_intent", payment["payment"]["payment_intent"])
    intent = payments.new_intent(
        world,
        invoice["amount_remaining"],
        invoice["currency"],
        _for=invoice["id"],
        _return_url=invoice["hosted_invoice_url"],
        customer=invoice["customer"],
        description={
            "subscription_create": "Subscription creation",
            "subscription_update": "Subscription update",
        }.get(invoice["billing_reason"], f"Payment for invoice {invoice['number']}"),
        setup_future_usage="off_session",
    )
    add_payment(world, invoice, intent["id"])
    return intent


def add_payment(world: World, invoice: Object, intent_id: str) -> Object:
    return world.new(
        "invoice_payment",
        "inpay",
        amount_requested=invoice["amount_remaining"],
        currency=invoice["currency"],
        invoice=invoice["id"],
        is_default=True,
        payment={"payment_intent": intent_id, "type": "payment_intent"},
        status="open",
        status_transitions={"canceled_at": None, "paid_at": None},
    )


@payments.follows_payment("invoice")
def payment_changed(world: World, invoice: Object, intent: Object) -> None:
    if intent["status"] == "succeeded" and invoice["status"] in {"open", "uncollectible"}:
        invoice["attempt_count"] += 1
        _mark_paid(world, invoice)
    elif intent["status"] == "requires_payment_method" and invoice["status"] == "open":
        _failed(world, invoice, intent)


def _mark_paid(world: World, invoice: Object) -> None:
    for payment in world.all("invoice_payment", invoice=invoice["id"], status="open"):
        payment |= {"amount_paid": payment["amount_requested"], "status": "paid"}
        payment["status_transitions"]["paid_at"] = world.now
        world.save(payment)
        world.emit("invoice_payment.paid", payment)
    world.unschedule(retry, invoice["id"])
    invoice |= {
        "amount_paid": invoice["amount_due"],
        "amount_remaining": 0,
        "attempted": True,
        "auto_advance": False,
        "next_payment_attempt": None,
        "status": "paid",
        "status_transitions": invoice["status_transitions"] | {"paid_at": world.now},
    }
    world.save(invoice)
    world.emit("invoice.paid", invoice)
    world.emit("invoice.payment_succeeded", invoice)
    _update_subscription(world, invoice)


def _failed(world: World, invoice: Object, intent: Object) -> None:
    attempts = invoice["attempt_count"] + 1
    invoice |= {"attempt_count": attempts, "attempted": True, "next_payment_attempt": None}
    renewal = invoice["billing_reason"] == "subscription_cycle"
    if renewal and attempts <= len(RETRY_AFTER):
        invoice["next_payment_attempt"] = world.now + RETRY_AFTER[attempts - 1] * _DAY
        world.schedule(invoice["next_payment_attempt"], retry, invoice["id"])
    world.save(invoice)
    world.emit("invoice.payment_failed", invoice)
    error = intent["last_payment_error"] or {}
    if error.get("code") == "authentication_required":
        world.emit("invoice.payment_action_required", invoice)
    _update_subscription(world, invoice)


@task
def retry(world: World, invoice_id: str) -> None:
    charge(world, world.get("invoice", invoice_id))


def void(world: World, invoice: Object) -> Object:
    """Close an invoice that nobody will pay."""
    _give_up_payments(world, invoice, "void_invoice")
    world.unschedule(retry, invoice["id"])
    invoice |= {"auto_advance": False, "next_payment_attempt": None, "status": "void"}
    invoice["status_transitions"] |= {"voided_at": world.now}
    world.save(invoice)
    world.emit("invoice.voided", invoice)
    return invoice


def _give_up_payments(world: World, invoice: Object, reason: str) -> None:
    for payment in world.all("invoice_payment", invoice=invoice["id"], status="open"):
        payment["status_transitions"]["canceled_at"] = world.now
        world.save(payment | {"status": "canceled"})
        intent = world.get("payment_intent", payment["payment"]["payment_intent"])
        payments.cancel(world, intent, reason)


def _update_subscription(world: World, invoice: Object) -> None:
    details = (invoice["parent"] or {}).get("subscription_details")
    subscription = world.find(details["subscription"]) if details else None
    if subscription:
        payments.FOLLOW_UPS["subscription"](world, subscription, invoice)


# Requests ----------------------------------------------------------------------------------------


@included("invoice", "payments")
def _included_payments(world: World, invoice: Object) -> Object:
    found = world.all("invoice_payment", invoice=invoice["id"])
    return world.page(found, {}, "/v1/invoice_payments")


@included("invoice", "confirmation_secret")
def _included_secret(world: World, invoice: Object) -> Object | None:
    for payment in world.all("invoice_payment", invoice=invoice["id"]):
        intent = world.get("payment_intent", payment["payment"]["payment_intent"])
        return {"client_secret": intent["client_secret"], "type": "payment_intent"}
    return None


@serves("invoices.retrieve")
def retrieve(world: World, params: Object, invoice_id: str) -> Object:
    return world.get("invoice", invoice_id)


@serves("invoices.update")
def update(world: World, params: Object, invoice_id: str) -> Object:
    invoice = world.get("invoice", invoice_id)
    merge_metadata(invoice, params)
    for key in {"auto_advance", "description", "footer"} & params.keys():
        invoice[key] = params[key]
    return world.save(invoice, "invoice.updated")


@serves("invoices.list")
def listing(world: World, params: Object) -> Object:
    found = world.all("invoice", customer=params.get("customer"), status=params.get("status"))
    if wanted := params.get("subscription"):
        found = [
            invoice
            for invoice in found
            if invoice["parent"]
            and invoice["parent"]["subscription_details"]["subscription"] == wanted
        ]
    return world.page(found, params, "/v1/invoices")


@serves("invoices.line_items.list")
def list_lines(world: World, params: Object, invoice_id: str) -> Object:
    lines = world.get("invoice", invoice_id)["lines"]
    return world.page(lines["data"], params, lines["url"])


@serves("invoices.pay")
def pay(world: World, params: Object, invoice_id: str) -> Object:
    invoice = world.get("invoice", invoice_id)
    if invoice["status"] == "draft":
        finalize(world, invoice)
    if invoice["status"] == "paid":
        raise invalid("Invoice is already paid", code="invoice_already_paid")
    if invoice["status"] == "void":
        raise invalid("This invoice can no longer be paid")
    if params.get("paid_out_of_band"):
        _give_up_payments(world, invoice, "abandoned")
        _mark_paid(world, invoice)
        return world.get("invoice", invoice_id)
    method_id = params.get("payment_method")
    method = payment_methods.method_from(world, method_id) if method_id else None
    if method and method["customer"] is None:
        method = payment_methods.attach(world, method, invoice["customer"])
    off_session = params.get("off_session", True)
    invoice = charge(world, invoice, method, off_session=off_session)
    if invoice["status"] != "paid":
        raise declined(world, invoice, keep=True)
    return invoice


def declined(world: World, invoice: Object, *, keep: bool) -> ApiError:
    """Return the 402 for an invoice that wasn't paid; for ``keep`` see :class:`ApiError`."""
    error: Object = {"code": "resource_missing", "message": "There is no payment method."}
    for payment in world.all("invoice_payment", invoice=invoice["id"]):
        intent = world.get("payment_intent", payment["payment"]["payment_intent"])
        error = intent["last_payment_error"] or error
        if intent["status"] == "requires_action":
            error = {
                "code": "invoice_payment_intent_requires_action",
                "message": "Payment for this subscription requires additional user action.",
            }
    details = {key: value for key, value in error.items() if key not in {"message", "type"}}
    return ApiError(error["message"], status=402, type="card_error", keep=keep, **details)


@serves("invoices.finalize_invoice")
def finalize_invoice(world: World, params: Object, invoice_id: str) -> Object:
    invoice = world.get("invoice", invoice_id)
    if invoice["status"] != "draft":
        raise invalid("This invoice is already finalized, you can't re-finalize it.")
    return finalize(world, invoice)


@serves("invoices.void_invoice")
def void_invoice(world: World, params: Object, invoice_id: str) -> Object:
    invoice = world.get("invoice", invoice_id)
    if invoice["status"] not in {"open", "uncollectible"}:
        raise invalid("You can only pass in open or uncollectible invoices.")
    return void(world, invoice)


@serves("invoices.mark_uncollectible")
def mark_uncollectible(world: World, params: Object, invoice_id: str) -> Object:
    invoice = world.get("invoice", invoice_id)
    if invoice["status"] != "open":
        raise invalid("You can only mark open invoices as uncollectible.")
    invoice["status_transitions"] |= {"marked_uncollectible_at": world.now}
    world.save(invoice | {"status": "uncollectible"}, "invoice.marked_uncollectible")
    return world.get("invoice", invoice_id)


@serves("invoices.create")
def create(world: World, params: Object) -> Object:
    if "customer" not in params:
        raise invalid("You must provide a customer.", "customer", "parameter_missing")
    customer = world.get("customer", params["customer"], "customer")
    pending = [
        item
        for item in reversed(world.all("invoiceitem", customer=customer["id"]))
        if item["invoice"] is None
    ]
    if params.get("pending_invoice_items_behavior", "exclude") == "exclude":
        pending = []
    fields = draft(world, customer, [], "manual", None)
    fields |= {
        "auto_advance": params.get("auto_advance", False),
        "collection_method": params.get("collection_method", "charge_automatically"),
        "description": params.get("description"),
        "metadata": params.get("metadata", {}) or {},
    }
    invoice = world.new("invoice", "in", **fields)
    for item in pending:
        _add_item(world, invoice, item)
    world.save(invoice)
    world.emit("invoice.created", invoice)
    return invoice


@serves("invoice_items.create")
def create_item(world: World, params: Object) -> Object:
    customer = world.get("customer", params["customer"], "customer")
    amount, quantity = params.get("amount"), params.get("quantity", 1)
    price_id = (params.get("pricing") or {}).get("price")
    price = world.get("price", price_id, "pricing[price]") if price_id else None
    if amount is None and price:
        amount = price["unit_amount"] * quantity
    if amount is None:
        raise invalid("You must provide `amount` or `pricing`.", "amount", "parameter_missing")
    item = world.new(
        "invoiceitem",
        "ii",
        amount=amount,
        currency=(price or params)["currency"].lower(),
        customer=customer["id"],
        date=world.now,
        description=params.get("description"),
        discountable=True,
        discounts=[],
        metadata=params.get("metadata", {}) or {},
        net_amount=amount,
        period={"start": world.now, "end": world.now},
        pricing=price
        and {
            "price_details": {"price": price["id"], "product": price["product"]},
            "type": "price_details",
            "unit_amount_decimal": price["unit_amount_decimal"],
        },
        proration=False,
        quantity=quantity,
        quantity_decimal=str(quantity),
        tax_rates=[],
    )
    if "invoice" in params:
        invoice = world.get("invoice", params["invoice"], "invoice")
        _add_item(world, invoice, item)
        world.save(invoice, "invoice.updated")
    world.emit("invoiceitem.created", item)
    return item


def _add_item(world: World, invoice: Object, item: Object) -> None:
    invoice["lines"]["data"].append(
        part(
            "line_item",
            id=f"il_{token()}",
            amount=item["amount"],
            currency=item["currency"],
            description=item["description"],
            discount_amounts=[],
            discountable=True,
            discounts=[],
            invoice=invoice["id"],
            metadata=item["metadata"],
            parent={
                "invoice_item_details": {
                    "invoice_item": item["id"],
                    "proration": False,
                    "proration_details": {"credited_items": None},
                    "subscription": None,
                },
                "subscription_item_details": None,
                "type": "invoice_item_details",
            },
            period=item["period"],
            pretax_credit_amounts=[],
            pricing=item["pricing"],
            quantity=item["quantity"],
            subtotal=item["amount"],
            taxes=[],
        )
    )
    invoice |= _amounts(invoice["lines"]["data"])
    due, owed = _due(invoice["total"] + invoice["starting_balance"], item["currency"])
    invoice |= {"amount_due": due, "amount_remaining": due, "currency": item["currency"]}
    invoice["ending_balance"] = owed
    world.save(item | {"invoice": invoice["id"]})


@serves("invoice_payments.retrieve")
def retrieve_payment(world: World, params: Object, payment_id: str) -> Object:
    return world.get("invoice_payment", payment_id)


@serves("invoice_payments.list")
def list_payments(world: World, params: Object) -> Object:
    found = world.all("invoice_payment", invoice=params.get("invoice"), status=params.get("status"))
    if wanted := params.get("payment"):
        kind = wanted["type"]
        found = [payment for payment in found if payment["payment"].get(kind) == wanted.get(kind)]
    return world.page(found, params, "/v1/invoice_payments")
