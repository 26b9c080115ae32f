"""Coupons, the codes that customers type for them, and the resulting discounts."""

from __future__ import annotations

from quickscale_stripe_sandbox.internal.errors import invalid, missing
from quickscale_stripe_sandbox.internal.periods import shift
from quickscale_stripe_sandbox.internal.routes import serves
from quickscale_stripe_sandbox.internal.world import Object, World, merge_metadata, token

# Coupons -----------------------------------------------------------------------------------------


@serves("coupons.create")
def create_coupon(world: World, params: Object) -> Object:
    if ("percent_off" in params) == ("amount_off" in params):
        raise invalid("You must pass either `percent_off` or `amount_off`.", "percent_off")
    if "amount_off" in params and "currency" not in params:
        raise invalid("You must pass `currency` with `amount_off`.", "currency")
    if not 0 < params.get("percent_off", 100) <= 100:
        raise invalid("`percent_off` must be above 0 and at most 100.", "percent_off")
    duration = params.get("duration", "once")
    if (duration == "repeating") != ("duration_in_months" in params):
        raise invalid(
            "`duration_in_months` goes with `duration` repeating only.", "duration_in_months"
        )
    coupon_id = params.get("id") or token(8)
    if world.find(coupon_id):
        raise invalid("Coupon already exists.", "id", "resource_already_exists")
    coupon = world.new(
        "coupon",
        "",
        id=coupon_id,
        amount_off=params.get("amount_off"),
        currency=params["currency"].lower() if "amount_off" in params else None,
        duration=duration,
        duration_in_months=params.get("duration_in_months"),
        max_redemptions=params.get("max_redemptions"),
        metadata=params.get("metadata", {}) or {},
        name=params.get("name"),
        percent_off=params.get("percent_off"),
        redeem_by=params.get("redeem_by"),
        times_redeemed=0,
        valid=True,
    )
    world.emit("coupon.created", coupon)
    return coupon


@serves("coupons.retrieve")
def retrieve_coupon(world: World, params: Object, coupon_id: str) -> Object:
    return world.get("coupon", coupon_id)


@serves("coupons.list")
def list_coupons(world: World, params: Object) -> Object:
    return world.page(world.all("coupon"), params, "/v1/coupons")


@serves("coupons.delete")
def delete_coupon(world: World, params: Object, coupon_id: str) -> Object:
    """Delete a coupon, so that nobody can redeem it; discounts that it gave stay."""
    world.emit("coupon.deleted", world.get("coupon", coupon_id))
    world.rows.remove(coupon_id)
    return {"id": coupon_id, "object": "coupon", "deleted": True}


# Promotion codes ---------------------------------------------------------------------------------


@serves("promotion_codes.create")
def create_code(world: World, params: Object) -> Object:
    promotion = params["promotion"]
    coupon = world.get("coupon", promotion.get("coupon", ""), "promotion[coupon]")
    text = params.get("code") or token(8).upper()
    if _active_code(world, text):
        raise invalid(f"An active promotion code with `code: {text}` already exists.", "code")
    given = params.get("restrictions", {})
    code = world.new(
        "promotion_code",
        "promo",
        active=params.get("active", True),
        code=text,
        customer=params.get("customer"),
        expires_at=params.get("expires_at"),
        max_redemptions=params.get("max_redemptions"),
        metadata=params.get("metadata", {}) or {},
        promotion={"coupon": coupon["id"], "type": "coupon"},
        restrictions={
            "first_time_transaction": given.get("first_time_transaction", False),
            "minimum_amount": given.get("minimum_amount"),
            "minimum_amount_currency": given.get("minimum_amount_currency"),
        },
        times_redeemed=0,
    )
    world.emit("promotion_code.created", code)
    return code


@serves("promotion_codes.retrieve")
def retrieve_code(world: World, params: Object, code_id: str) -> Object:
    return world.get("promotion_code", code_id)


@serves("promotion_codes.update")
def update_code(world: World, params: Object, code_id: str) -> Object:
    code = world.get("promotion_code", code_id)
    merge_metadata(code, params)
    code["active"] = params.get("active", code["active"])
    return world.save(code, "promotion_code.updated")


@serves("promotion_codes.list")
def list_codes(world: World, params: Object) -> Object:
    found = world.all(
        "promotion_code",
        active=params.get("active"),
        code=params.get("code"),
        customer=params.get("customer"),
    )
    if coupon := params.get("coupon"):
        found = [code for code in found if code["promotion"]["coupon"] == coupon]
    return world.page(found, params, "/v1/promotion_codes")


def _active_code(world: World, text: str) -> Object | None:
    for code in world.all("promotion_code", active=True):
        if code["code"].lower() == text.lower():
            return code
    return None


def find_code(world: World, text: str, customer_id: str | None, amount: int) -> Object:
    """Return the value for ``discounts`` from the code that a person typed.

    Args:
        amount: the amount to pay without it, in minor units.

    Raises:
        ApiError: the code doesn't exist, or isn't for this customer or amount.
    """
    code = _active_code(world, text.strip())
    if code is None:
        raise invalid("This code is invalid.")
    limits = code["restrictions"]
    if code["customer"] not in {None, customer_id} or (
        limits["first_time_transaction"]
        and customer_id
        and world.all("charge", customer=customer_id, paid=True)
    ):
        raise invalid("This code isn't for you.")
    if amount < (limits["minimum_amount"] or 0):
        raise invalid("This code needs a larger purchase.")
    chosen = {"promotion_code": code["id"]}
    _coupon_of(world, chosen, "code")
    return chosen


# Discounts ---------------------------------------------------------------------------------------


def chosen_from(world: World, params: Object, currency: str) -> list[Object]:
    """Return the entries of ``discounts`` as objects store them: coupon and promotion code.

    Raises:
        ApiError: one can't be redeemed, or there is more than one.
    """
    given = params.get("discounts") or []
    if len(given) > 1:
        raise invalid("The sandbox only takes one discount.", "discounts")
    chosen = []
    for entry in given:
        coupon = _coupon_of(world, entry, "discounts[0]")
        if coupon["currency"] not in {None, currency}:
            raise invalid("The coupon is in another currency.", "discounts[0]")
        chosen.append({"coupon": coupon["id"], "promotion_code": entry.get("promotion_code")})
    return chosen


def of_phase(world: World, given: list[Object] | str | None, subscription: Object) -> list[Object]:
    """Return the entries of a phase's ``discounts``, as a schedule stores them.

    SDK, SubscriptionScheduleUpdateParamsPhase.discounts: if not specified, the customer's are
    inherited; an empty string avoids that.

    Raises:
        ApiError: one can't be redeemed, or doesn't exist to be kept.
    """
    if given is None:
        inherited = world.get("customer", subscription["customer"])["discount"]
        return [_kept(inherited["id"])] if inherited else []
    entries = []
    for entry in given or []:
        kept = entry.get("discount") if isinstance(entry, dict) else None
        if kept and kept not in _within_reach(world, subscription):
            raise missing("discount", kept, "discounts")
        if kept:
            entries.append(_kept(kept))
        else:
            chosen = chosen_from(world, {"discounts": [entry]}, subscription["currency"])
            entries += [{"discount": None} | each for each in chosen]
    return entries


def running(subscription: Object) -> list[Object]:
    """Return a subscription's own discounts, as a schedule stores them."""
    return [_kept(discount_id) for discount_id in subscription["discounts"]]


def enter_phase(world: World, subscription: Object, entries: list[Object]) -> None:
    """Give a subscription the discounts of a phase: keep the old ones, and redeem the others."""
    there = _within_reach(world, subscription)
    owner = {"customer": subscription["customer"], "subscription": subscription["id"]}
    found: list[str] = []
    for entry in entries:
        if entry["discount"] is None:
            found += redeem(world, [entry], **owner)
        elif entry["discount"] in there:
            found.append(entry["discount"])
    subscription["discounts"] = found


def _kept(discount_id: str) -> Object:
    return {"coupon": None, "discount": discount_id, "promotion_code": None}


def _within_reach(world: World, subscription: Object) -> list[str]:
    """Return the discounts "on the object (or one of its ancestors)", as the SDK says."""
    inherited = world.get("customer", subscription["customer"])["discount"]
    return [*subscription["discounts"], *([inherited["id"]] if inherited else [])]


def _coupon_of(world: World, entry: Object, name: str) -> Object:
    coupon_id = entry.get("coupon") or ""
    if code_id := entry.get("promotion_code"):
        code = world.get("promotion_code", code_id, f"{name}[promotion_code]")
        if not code["active"] or not _lasts(code, code["expires_at"], world.now):
            raise invalid("This promotion code has expired.", name)
        coupon_id = code["promotion"]["coupon"]
    coupon = world.get("coupon", coupon_id, f"{name}[coupon]")
    if not _lasts(coupon, coupon["redeem_by"], world.now):
        raise invalid("This coupon has expired.", name, "coupon_expired")
    return coupon


def _lasts(value: Object, until: int | None, now: int) -> bool:
    most = value["max_redemptions"]
    return (until is None or now < until) and (most is None or value["times_redeemed"] < most)


def cuts_of(world: World, chosen: list[Object], amounts: list[int]) -> list[int]:
    """Return how much the chosen discount takes off each of these amounts, in minor units."""
    if not chosen:
        return [0] * len(amounts)
    return _cuts(world.get("coupon", chosen[0]["coupon"]), amounts)


def _cuts(terms: Object, amounts: list[int]) -> list[int]:
    if percent := terms["percent_off"]:
        return [round(amount * percent / 100) for amount in amounts]
    total = sum(amounts)
    left = min(terms["amount_off"], total)
    cuts = []
    for amount in amounts:
        # Each is in proportion to what is left, so that the parts add up to the whole.
        cut = round(left * amount / total) if total else 0
        cuts.append(cut)
        left, total = left - cut, total - amount
    return cuts


def redeem(world: World, chosen: list[Object], **owner: str | None) -> list[str]:
    """Count the chosen discount as used, make the object that says so, and return its id.

    ``owner`` says what it is for: ``customer``, ``checkout_session``, ``subscription``.
    """
    made = []
    for entry in chosen:
        coupon = world.get("coupon", entry["coupon"])
        months = coupon["duration_in_months"]
        discount = world.new(
            "discount",
            "di",
            _terms={key: coupon[key] for key in ("amount_off", "duration", "percent_off")},
            end=shift(world.now, "month", months) if months else None,
            promotion_code=entry["promotion_code"],
            source={"coupon": coupon["id"], "type": "coupon"},
            start=world.now,
            **owner,
        )
        _count(world, coupon, "valid")
        if code := world.find(entry["promotion_code"]):
            _count(world, code, "active")
        if owner.get("subscription"):
            world.emit("customer.discount.created", discount)
        made.append(discount["id"])
    return made


def _count(world: World, value: Object, flag: str) -> None:
    value["times_redeemed"] += 1
    if value["max_redemptions"] == value["times_redeemed"]:
        value[flag] = False
    world.save(value, f"{value['object']}.updated")


def cut_lines(world: World, subscription: Object | None, lines: list[Object]) -> None:
    """Apply a subscription's discount to the lines of its invoice.

    The amounts of prorations already include it, as with Stripe's flexible billing mode.
    """
    for discount in _discounts_of(world, subscription):
        entitled = [
            line
            for line in lines
            if line["discountable"]
            and line["amount"] > 0
            and (discount["end"] is None or line["period"]["start"] < discount["end"])
        ]
        cuts = _cuts(discount["_terms"], [line["amount"] for line in entitled])
        for line, cut in zip(entitled, cuts, strict=True):
            line["discount_amounts"] = [{"amount": cut, "discount": discount["id"]}]


def share_paid(world: World, subscription: Object, amount: int) -> float:
    """Return the share of an amount that is left after the subscription's discount, 0 to 1."""
    share = 1.0
    for discount in _discounts_of(world, subscription):
        if amount and (discount["end"] is None or world.now < discount["end"]):
            share -= _cuts(discount["_terms"], [amount])[0] / amount
    return share


def forget_spent(world: World, subscription: Object, invoice: Object) -> None:
    """Remove a subscription's discounts that were for one invoice, after an invoice used them."""
    used = {total["discount"] for total in invoice["total_discount_amounts"]}
    subscription["discounts"] = [
        discount["id"]
        for discount in _discounts_of(world, subscription)
        if discount["_terms"]["duration"] != "once" or discount["id"] not in used
    ]


def _discounts_of(world: World, subscription: Object | None) -> list[Object]:
    ids = subscription.get("discounts", []) if subscription else []
    return [world.get("discount", discount_id) for discount_id in ids]
