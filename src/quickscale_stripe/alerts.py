"""The one thing about payments that an owner should know or do first."""

from __future__ import annotations

from datetime import datetime

from django.http import HttpRequest
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from quickscale.alerts import Alert
from quickscale.formats import format_day, format_money
from quickscale.links import page_url
from quickscale.owner import owner_of_page
from quickscale_stripe.billing.standing import OVERDUE, Standing, standing_of
from quickscale_stripe.internal.wording import method_name
from quickscale_stripe.models import Payment, Subscription


def current_alert(request: HttpRequest) -> Alert | None:
    """Return the most important alert for the owner that the request acts for, or ``None``.

    In this order: a payment that failed, one that waits for the owner, one that is being confirmed,
    a card that expires before the next charge, and a plan that ends. It asks Stripe nothing.
    """
    owner = owner_of_page(request)
    return alert_of(standing_of(owner), request) if owner is not None else None


def alert_of(standing: Standing, request: HttpRequest) -> Alert | None:
    """Return the most important alert of a standing; the request decides the links."""
    plan = standing.plan
    if plan and plan.status in OVERDUE:
        return _overdue(standing, plan, request)
    if standing.due:
        return _action_needed(standing.due)
    if standing.pending:
        return _pending(standing.pending, request)
    if plan and standing.card_ends_first:
        return _card_expires(standing, request)
    if plan and plan.cancel_at:
        return _ends(plan, plan.cancel_at, request)
    return None


def _overdue(standing: Standing, plan: Subscription, request: HttpRequest) -> Alert:
    due, title = standing.due, _("Your last payment failed.")
    if due is None:
        text = _("Please update your payment method to keep your plan.")
        return Alert("danger", title, text, _("Payment method"), _method_page(request))
    names = {"amount": _money(due), "plan": _plan(plan), "date": _day(due.next_attempt_at)}
    if due.next_attempt_at:
        text = _("{amount} for {plan} could not be charged. We try again on {date}.")
    else:
        text = _("{amount} for {plan} could not be charged. Pay it to keep your plan.")
    return _to_pay("danger", title, format_html(text, **names), due)


def _action_needed(due: Payment) -> Alert:
    names = {"amount": _money(due), "plan": _isolated(due.title)}
    if due.kind == Payment.Kind.PLAN_CHANGE:
        title = _("Your plan change is not paid yet.")
        text = _("You keep your plan until {amount} for {plan} is paid.")
    else:
        title = _("Your first payment is not complete yet.")
        text = _("{plan} starts when {amount} is paid.")
    return _to_pay("warning", title, format_html(text, **names), due)


def _to_pay(tone: str, title: str, text: str, due: Payment) -> Alert:
    label = format_html(_("Pay {amount}"), amount=_money(due))
    return Alert(tone, title, text, label, due.invoice_url, is_external=True)


def _pending(payment: Payment, request: HttpRequest) -> Alert:
    title = format_html(_("Your payment of {amount} is being confirmed."), amount=_money(payment))
    text = _("You don't need to do anything. Some payment methods take a few days.")
    url = page_url(request, "quickscale_stripe:payment", pk=payment.pk)
    return Alert("info", title, text, _("See the payment"), url)


def _card_expires(standing: Standing, request: HttpRequest) -> Alert:
    card, renews_at = standing.card, standing.renews_at
    if card is None or card.ends is None or renews_at is None:
        raise ValueError("The card does not expire before the next charge.")
    if card.is_over:
        title, text = _("Your card has expired."), _("{plan} is charged to {card} on {date}.")
    else:
        title = _("Your card expires soon.")
        text = _("{card} expires in {month}, and {plan} is charged to it on {date}.")
    names = {
        "card": _isolated(method_name(card.method)),
        "month": _isolated(date_format(card.ends, "YEAR_MONTH_FORMAT")),
        "plan": _plan(standing.plan),
        "date": _day(renews_at),
    }
    text = format_html(text, **names)
    return Alert("warning", title, text, _("Update the card"), _method_page(request))


def _ends(plan: Subscription, ends_at: datetime, request: HttpRequest) -> Alert:
    title = format_html(_("{plan} ends on {date}."), plan=_plan(plan), date=_day(ends_at))
    text = _("Until then everything stays as it is, and you can still keep your plan.")
    url = page_url(request, "quickscale_stripe:subscription")
    return Alert("info", title, text, _("Your plan"), url)


def _method_page(request: HttpRequest) -> str:
    return page_url(request, "quickscale_stripe:payment_method")


def _plan(plan: Subscription | None) -> str:
    return _isolated(plan.price.product.name) if plan and plan.price else _("Your plan")


def _money(payment: Payment) -> SafeString:
    return _isolated(format_money(payment.amount, payment.currency))


def _day(moment: datetime | None) -> SafeString:
    return _isolated(format_day(moment) if moment else "")


def _isolated(text: str) -> SafeString:
    """Text that a surrounding right-to-left text doesn't reverse."""
    return format_html("<bdi>{}</bdi>", text)
