"""What a price costs and brings, in words."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_DOWN, Decimal
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.utils.translation import ngettext_lazy

from quickscale.formats import format_money, in_credits
from quickscale_stripe.conf import app_settings
from quickscale_stripe.models import Dispute, Payment, StripePrice

_EVERY = {
    "day": ngettext_lazy("each day", "every %(count)s days", "count"),
    "week": ngettext_lazy("each week", "every %(count)s weeks", "count"),
    "month": ngettext_lazy("each month", "every %(count)s months", "count"),
    "year": ngettext_lazy("each year", "every %(count)s years", "count"),
}
_BILLED = {
    "month": ngettext_lazy("billed monthly", "billed every %(count)s months", "count"),
    "year": ngettext_lazy("billed yearly", "billed every %(count)s years", "count"),
}
_DISPUTES = {
    "warning_needs_response": _lazy("Inquiry by your bank, open"),
    "warning_under_review": _lazy("Inquiry by your bank, open"),
    "warning_closed": _lazy("Inquiry by your bank, closed"),
    "needs_response": _lazy("Open"),
    "under_review": _lazy("With your bank"),
    "won": _lazy("Closed: the payment stands"),
    "lost": _lazy("Closed: the money went back to you"),
    "prevented": _lazy("Closed: the money went back to you"),
}
_MONTHS = {"month": 1, "year": 12}


def price_terms(price: StripePrice) -> str:
    """``"$19.00 each month"``; only the amount for a one-time price, empty without an amount."""
    if price.unit_amount is None:
        return ""
    return _each_time(format_money(price.unit_amount, price.currency), price)


def plan_terms(price: StripePrice, quantity: int) -> str:
    """Return what a subscription costs: ``"$19.00 each month"``, after the number if it is more
    than one.
    """
    many = f"{quantity} \N{MULTIPLICATION SIGN} " if quantity > 1 else ""
    return f"{many}{price_terms(price)}"


def credit_terms(price: StripePrice) -> str:
    """``"300 credits each month"``; empty without credits.

    A plan with credits in monthly parts and a longer term says both: ``"1,000 credits each month,
    billed yearly"``.
    """
    if not price.credits:
        return ""
    months = _MONTHS.get(price.interval, 0) * price.interval_count
    if not price.credits_come_monthly or months < 2:
        return _each_time(in_credits(price.credits), price)
    monthly = (price.credits / months).quantize(Decimal("0.0001"), ROUND_DOWN)
    billed = _BILLED[price.interval] % {"count": price.interval_count}
    return _("%(credits)s each month, %(billed)s") % {
        "credits": in_credits(monthly),
        "billed": billed,
    }


def brought_terms(payment: Payment) -> str:
    """``"300 credits"``; says also when they come, if that is monthly in a longer term."""
    brought, price = in_credits(payment.credits), payment.price
    months = _MONTHS.get(price.interval, 0) * price.interval_count if price else 0
    if price is None or not price.credits_come_monthly or months < 2:
        return brought
    if payment.credits != price.credits:
        return _("%(credits)s, in monthly parts") % {"credits": brought}
    return _("%(credits)s in total: %(terms)s") % {
        "credits": brought,
        "terms": credit_terms(price),
    }


def convertible(amount: Decimal, paid_share: Decimal) -> Decimal:
    """Return how many of ``amount`` left-over credits a paid plan change makes permanent.

    ``paid_share`` is the share of a whole period's difference that was paid. Parts of a credit are
    rounded up.
    """
    most = min((amount * paid_share).to_integral_value(ROUND_CEILING), amount)
    cap = app_settings.plan_change_cap
    return most if cap is None else min(most, Decimal(cap))


def left_over_terms(amount: Decimal, paid_share: Decimal) -> str:
    """Return what ``PLAN_CHANGE_POLICY`` does with ``amount`` credits on a paid plan change."""
    cap = app_settings.plan_change_cap
    names = {"credits": in_credits(amount), "most": in_credits(Decimal(cap or 0))}
    match app_settings.plan_change_policy:
        case "keep":
            return _("%(credits)s, usable until they end") % names
        case "expire":
            return _("%(credits)s, which are lost") % names
        case "rollover" if cap is None:
            return _("%(credits)s, usable until the new period ends") % names
        case "rollover":
            return _("%(credits)s; up to %(most)s stay until the new period ends") % names
    names["most"] = in_credits(convertible(amount, paid_share))
    if names["most"] == names["credits"]:
        return _("%(credits)s, yours for good") % names
    return _("%(credits)s; up to %(most)s become yours for good") % names


def method_terms(method: dict[str, Any]) -> str:
    """Return the brand or kind of a mirrored payment method: ``"Visa"``, ``"Bank account"``."""
    name = method.get("name") or ""
    if method.get("type") == "card":
        return name.replace("_", " ").title()
    if method.get("type") in ("us_bank_account", "sepa_debit"):
        return name or _("Bank account")
    return str(method.get("type", "")).replace("_", " ").capitalize()


def dispute_terms(dispute: Dispute) -> str:
    """Return the status of a dispute from the view of the customer who made it."""
    return str(_DISPUTES.get(dispute.status, dispute.status.replace("_", " ")))


def _each_time(what: str, price: StripePrice) -> str:
    if not price.interval:
        return what
    every = _EVERY[price.interval] % {"count": price.interval_count}
    return _("%(what)s %(every)s") % {"what": what, "every": every}
