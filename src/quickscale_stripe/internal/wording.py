"""What a price costs and brings, in words."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_HALF_UP, Decimal
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, ngettext_lazy

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
_COSTS = {
    "day": ngettext_lazy("%(price)s a day", "%(price)s every %(count)s days", "count"),
    "week": ngettext_lazy("%(price)s a week", "%(price)s every %(count)s weeks", "count"),
    "month": ngettext_lazy("%(price)s a month", "%(price)s every %(count)s months", "count"),
    "year": ngettext_lazy("%(price)s a year", "%(price)s every %(count)s years", "count"),
}
_UNITS = {
    "day": ngettext_lazy("/day", "/%(count)s days", "count"),
    "week": ngettext_lazy("/week", "/%(count)s weeks", "count"),
    "month": ngettext_lazy("/month", "/%(count)s months", "count"),
}
_BILLS = {
    "month": ngettext_lazy(
        "Billed %(price)s monthly", "Billed %(price)s every %(count)s months", "count"
    ),
    "year": ngettext_lazy(
        "Billed %(price)s yearly", "Billed %(price)s every %(count)s years", "count"
    ),
}
_DISPUTES = {
    "warning_needs_response": gettext_lazy("Inquiry by your bank, open"),
    "warning_under_review": gettext_lazy("Inquiry by your bank, open"),
    "warning_closed": gettext_lazy("Inquiry by your bank, closed"),
    "needs_response": gettext_lazy("Open"),
    "under_review": gettext_lazy("With your bank"),
    "won": gettext_lazy("Closed: the payment stands"),
    "lost": gettext_lazy("Closed: the money went back to you"),
    "prevented": gettext_lazy("Closed: the money went back to you"),
}


def price_terms(price: StripePrice) -> str:
    """``"$19.00 a month"``; only the amount for a one-time price, empty without an amount."""
    if price.unit_amount is None:
        return ""
    amount = format_money(price.unit_amount, price.currency)
    if not price.interval:
        return amount
    return _COSTS[price.interval] % {"price": amount, "count": price.interval_count}


def price_figure(price: StripePrice) -> str:
    """``"$49"``, for large type; a price for several months is shown by the month."""
    amount = price.unit_amount or 0
    if price.months > 1:
        amount = int((Decimal(amount) / price.months).to_integral_value(ROUND_HALF_UP))
    return format_money(amount, price.currency, short=True)


def price_unit(price: StripePrice) -> str:
    """``"/month"``, what stands beside :func:`price_figure`; empty for a one-time price."""
    if not price.interval:
        return ""
    if price.months:
        return _UNITS["month"] % {"count": 1}
    return _UNITS[price.interval] % {"count": price.interval_count}


def bill_terms(price: StripePrice, free_months: int) -> str:
    """``"Billed $490 yearly, 2 months free"``; empty if :func:`price_figure` says it all."""
    if price.months < 2:
        return ""
    amount = format_money(price.unit_amount or 0, price.currency, short=True)
    billed = _BILLS[price.interval] % {"price": amount, "count": price.interval_count}
    if not free_months:
        return billed
    text = ngettext(
        "%(billed)s, %(months)s month free", "%(billed)s, %(months)s months free", free_months
    )
    return text % {"billed": billed, "months": free_months}


def credit_pace(price: StripePrice) -> str:
    """``"1,000 credits each month"``, whenever they are billed; empty without credits."""
    if not price.credits:
        return ""
    if not price.credits_come_monthly or price.months < 2:
        return _each_time(in_credits(price.credits), price)
    monthly = (price.credits / price.months).quantize(Decimal("0.0001"), ROUND_DOWN)
    return _("%(credits)s each month") % {"credits": in_credits(monthly)}


def plan_terms(price: StripePrice, quantity: int) -> str:
    """Return what a subscription costs: ``"$19.00 a month"``, after the number if it is more
    than one.
    """
    many = f"{quantity} × " if quantity > 1 else ""
    return f"{many}{price_terms(price)}"


def credit_terms(price: StripePrice) -> str:
    """``"300 credits each month"``; empty without credits.

    A plan with credits in monthly parts and a longer term says both: ``"1,000 credits each month,
    billed yearly"``.
    """
    pace = credit_pace(price)
    if not price.credits or not price.credits_come_monthly or price.months < 2:
        return pace
    billed = _BILLED[price.interval] % {"count": price.interval_count}
    return _("%(pace)s, %(billed)s") % {"pace": pace, "billed": billed}


def brought_terms(payment: Payment) -> str:
    """``"300 credits"``; says also when they come, if that is monthly in a longer term."""
    brought, price = in_credits(payment.credits), payment.price
    if price is None or not price.credits_come_monthly or price.months < 2:
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
    """Say what ``PLAN_CHANGE_POLICY`` does with ``amount`` credits on a paid plan change."""
    cap = app_settings.plan_change_cap
    names = {"credits": in_credits(amount), "most": in_credits(Decimal(cap or 0))}
    match app_settings.plan_change_policy:
        case "keep":
            text = _("You keep %(credits)s from your current plan until they end as planned.")
        case "expire":
            text = _("You lose %(credits)s that are left from your current plan.")
        case "rollover" if cap is None or cap >= amount:
            text = _("You keep %(credits)s from your current plan until the new period ends.")
        case "rollover":
            text = _(
                "You keep %(most)s of %(credits)s from your current plan until the new period "
                "ends. The rest ends as planned."
            )
        case _policy:
            names["most"] = in_credits(convertible(amount, paid_share))
            text = _(
                "You keep %(most)s of %(credits)s from your current plan without an end date. "
                "The rest ends as planned."
            )
            if names["most"] == names["credits"]:
                text = _("You keep %(credits)s from your current plan, without an end date.")
    return text % names


def method_terms(method: dict[str, Any]) -> str:
    """Return the brand or kind of a mirrored payment method: ``"Visa"``, ``"Bank account"``."""
    name = method.get("name") or ""
    if method.get("type") == "card":
        return name.replace("_", " ").title()
    if method.get("type") in ("us_bank_account", "sepa_debit"):
        return name or _("Bank account")
    return str(method.get("type", "")).replace("_", " ").capitalize()


def method_name(method: dict[str, Any]) -> str:
    """Return a mirrored payment method with its last digits: ``"Visa •••• 4242"``."""
    name, last4 = method_terms(method), method.get("last4")
    return f"{name} •••• {last4}" if last4 else name


def dispute_terms(dispute: Dispute) -> str:
    """Return the status of a dispute from the view of the customer who made it."""
    return str(_DISPUTES.get(dispute.status, dispute.status.replace("_", " ")))


def _each_time(what: str, price: StripePrice) -> str:
    if not price.interval:
        return what
    every = _EVERY[price.interval] % {"count": price.interval_count}
    return _("%(what)s %(every)s") % {"what": what, "every": every}
