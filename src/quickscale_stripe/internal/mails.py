"""Mails about payments and plans to customers and to the site's staff.

Each is sent after its news is committed. It is lost if the process dies just then, but the pages
and the admin show the same. Owners get no mail about what is older than :data:`FRESH`, so a
reconciliation of last year's payments is quiet.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.dispatch import receiver
from django.utils import timezone
from django.utils.translation import gettext as _

from quickscale.internal.brand import brand_name
from quickscale.mail import make_mail
from quickscale.owner import owner_email
from quickscale_stripe import signals
from quickscale_stripe.catalogue import metadata
from quickscale_stripe.conf import app_settings
from quickscale_stripe.internal import mail_facts
from quickscale_stripe.models import (
    Dispute,
    Payment,
    Refund,
    StripeEvent,
    StripePrice,
    Subscription,
)

FRESH = timedelta(days=3)
PREFIX = "quickscale_stripe/email/"
TO_STAFF = (
    "dispute",
    "invoice_problem",
    "event_died",
    "catalogue_problem",
    "missing_credits",
    "fulfilment_failed",
    "refund_problem",
)


# To customers -------------------------------------------------------------------------------------


@receiver(signals.payment_succeeded)
def confirm_purchase(payment: Payment, **kwargs: Any) -> None:
    if payment.total > 0 and _is_fresh(payment.paid_at or payment.created_at):
        _tell_owner("purchase", payment.owner, mail_facts.about_purchase(payment))


@receiver(signals.payment_failed)
def report_failure(payment: Payment, **kwargs: Any) -> None:
    """The mail about an invoice links to its page at Stripe, where it can be paid or confirmed."""
    if payment.status == Payment.Status.FAILED and _is_fresh(payment.created_at):
        _tell_owner("payment_failed", payment.owner, mail_facts.about_failure(payment))


@receiver(signals.refund_made)
def report_refund(refund: Refund, **kwargs: Any) -> None:
    if _is_fresh(refund.created_at):
        refund.refresh_from_db()
        owner = refund.payment.owner
        _tell_owner("payment_refunded", owner, mail_facts.about_refund(refund, _balance(owner)))


@receiver(signals.refund_failed)
def report_refund_failure(refund: Refund, **kwargs: Any) -> None:
    refund.refresh_from_db()
    owner = refund.payment.owner
    _tell_owner("refund_failed", owner, mail_facts.about_refund(refund, _balance(owner)))


@receiver(signals.cancellation_scheduled)
def confirm_cancellation(subscription: Subscription, **kwargs: Any) -> None:
    if _is_fresh(subscription.canceled_at or subscription.created_at):
        _tell_owner(
            "cancellation_scheduled",
            subscription.owner,
            mail_facts.about_cancellation(subscription),
        )


@receiver(signals.cancellation_withdrawn)
def confirm_return(subscription: Subscription, **kwargs: Any) -> None:
    _tell_owner("cancellation_withdrawn", subscription.owner, mail_facts.about_return(subscription))


@receiver(signals.plan_change_scheduled)
def confirm_plan_change(subscription: Subscription, **kwargs: Any) -> None:
    _tell_owner(
        "plan_change_scheduled", subscription.owner, mail_facts.about_plan_change(subscription)
    )


@receiver(signals.subscription_ended)
def confirm_end(subscription: Subscription, **kwargs: Any) -> None:
    """Owners who are being deleted get none: their plan ends with their account."""
    is_owned = Subscription.objects.filter(pk=subscription.pk, owner__isnull=False).exists()
    if is_owned and subscription.ended_at and _is_fresh(subscription.ended_at):
        owner = subscription.owner
        _tell_owner(
            "subscription_ended", owner, mail_facts.about_end(subscription, _balance(owner))
        )


def _balance(owner: Any) -> Decimal | None:
    return None if owner is None else app_settings.fulfilment.balance(owner=owner)


# To the staff -------------------------------------------------------------------------------------


@receiver(signals.dispute_changed)
def report_dispute(dispute: Dispute, previous_status: str, **kwargs: Any) -> None:
    """Staff have until ``evidence_due_by`` to answer it."""
    if dispute.status != previous_status:
        _tell_staff("dispute", {"dispute": dispute, "payment": dispute.payment})


@receiver(signals.refund_failed)
def report_returned_money(refund: Refund, **kwargs: Any) -> None:
    """Stripe keeps the money for the site, and staff return it in another way."""
    _tell_staff("refund_problem", {"refund": refund, "payment": refund.payment})


@receiver(signals.invoice_problem)
def report_invoice(invoice_id: str, problem: str, owner: Any, **kwargs: Any) -> None:
    owner = owner or _("a deleted owner")
    _tell_staff("invoice_problem", {"invoice_id": invoice_id, "problem": problem, "owner": owner})


@receiver(signals.fulfilment_failed)
def report_fulfilment(payment: Payment, **kwargs: Any) -> None:
    """Mail once for each payment until the hook succeeds; the event's retries add nothing new."""
    _tell_staff("fulfilment_failed", {"payment": payment})


@receiver(signals.event_died)
def report_event(event: StripeEvent, **kwargs: Any) -> None:
    _tell_staff("event_died", {"event": event})


@receiver(signals.catalogue_problem)
def report_metadata(price: StripePrice, **kwargs: Any) -> None:
    """Mail once for each text that can't be read."""
    found = metadata.problems(price.metadata_errors)
    _tell_staff("catalogue_problem", {"price": price, "problems": found})


@receiver(signals.payment_succeeded)
def report_missing_credits(payment: Payment, **kwargs: Any) -> None:
    """A paid plan brings credits, unless its metadata explicitly says 0."""
    is_plan = payment.kind == Payment.Kind.SUBSCRIPTION and payment.total > 0
    if is_plan and not payment.credits and not _brings_none_on_purpose(payment.price):
        _tell_staff("missing_credits", {"payment": payment, "price": payment.price})


def _brings_none_on_purpose(price: StripePrice | None) -> bool:
    if price is None or "credits" in price.metadata_errors:
        return False
    return "credits" in {**price.product.metadata, **price.metadata}


def _is_fresh(moment: datetime) -> bool:
    return timezone.now() - moment < FRESH


def staff() -> list[str]:
    """Return ``STAFF_EMAILS``, else ``MANAGERS`` or ``ADMINS``, which may hold (name, address)."""
    others = settings.MANAGERS or settings.ADMINS
    named = [one if isinstance(one, str) else one[1] for one in others]
    return app_settings.staff_emails or named


def make(name: str, to: list[str], context: Mapping[str, Any]) -> EmailMultiAlternatives:
    """Make the mail of that name, with the end that its readers need."""
    if name in TO_STAFF:
        reason = _("You get this email because you look after the payments of %(brand)s.")
        end: dict[str, Any] = {"reason": reason % {"brand": brand_name()}}
    else:
        end = {"address": app_settings.seller_address}
    return make_mail(f"{PREFIX}{name}", to, {**end, **context})


def _tell_owner(name: str, owner: Any, context: Mapping[str, Any]) -> None:
    _send(name, [owner_email(owner)], context)


def _tell_staff(name: str, context: Mapping[str, Any]) -> None:
    _send(name, staff(), context)


def _send(name: str, to: list[str], context: Mapping[str, Any]) -> None:
    """Send the mail of that name, unless ``MAILS`` leaves it out or it has no recipient."""
    recipients = [address for address in to if address]
    if name in app_settings.mails and recipients:
        make(name, recipients, context).send()
