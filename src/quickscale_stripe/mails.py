"""Mails about payments: to who pays, and to the site's staff.

Each is sent once what it tells is committed, and may be lost with a process that dies just then:
the pages and the admin tell the same. What is older than :data:`FRESH` is told to nobody, so a
reconciliation of last year's payments stays quiet.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.dispatch import receiver
from django.template.loader import render_to_string
from django.utils import timezone

from quickscale.brand import brand_name
from quickscale.owner import owner_email
from quickscale_stripe import signals
from quickscale_stripe.conf import app_settings
from quickscale_stripe.models import Dispute, Payment, StripeEvent

FRESH = timedelta(days=3)


@receiver(signals.payment_succeeded)
def confirm_purchase(payment: Payment, **kwargs: Any) -> None:
    if payment.amount and _is_fresh(payment.paid_at or payment.created_at):
        _send("purchase", [owner_email(payment.owner)], payment=payment)


@receiver(signals.payment_failed)
def tell_of_failure(payment: Payment, **kwargs: Any) -> None:
    """An invoice's mail leads to Stripe's page of it, where it can be paid or confirmed."""
    if payment.status == Payment.Status.FAILED and _is_fresh(payment.created_at):
        _send("payment_failed", [owner_email(payment.owner)], payment=payment)


@receiver(signals.dispute_changed)
def report_dispute(dispute: Dispute, previous_status: str, **kwargs: Any) -> None:
    """Staff have until ``evidence_due_by`` to answer it."""
    if dispute.status != previous_status:
        _send("dispute", _staff(), dispute=dispute, payment=dispute.payment)


@receiver(signals.invoice_problem)
def report_invoice(invoice_id: str, problem: str, owner: Any, **kwargs: Any) -> None:
    _send("invoice_problem", _staff(), invoice_id=invoice_id, problem=problem, owner=owner)


@receiver(signals.event_died)
def report_event(event: StripeEvent, **kwargs: Any) -> None:
    _send("event_died", _staff(), event=event)


def _is_fresh(moment: datetime) -> bool:
    return timezone.now() - moment < FRESH


def _staff() -> list[str]:
    """``STAFF_EMAILS``, else Django's ``MANAGERS``, which may be (name, address) pairs."""
    managers = (one if isinstance(one, str) else one[1] for one in settings.MANAGERS)
    return app_settings.staff_emails or list(managers)


def _send(name: str, to: list[str], **context: Any) -> None:
    """Render ``quickscale_stripe/email/<name>_*`` and send it, unless ``MAILS`` leaves it out."""
    recipients = [address for address in to if address]
    if name not in app_settings.mails or not recipients:
        return
    context |= {"brand_name": brand_name()}
    template = f"quickscale_stripe/email/{name}"
    subject = render_to_string(f"{template}_subject.txt", context)
    message = EmailMultiAlternatives(
        subject=" ".join(subject.split()),  # A header has one line, whatever a product's name has.
        body=render_to_string(f"{template}_message.txt", context),
        to=recipients,
    )
    message.attach_alternative(render_to_string(f"{template}_message.html", context), "text/html")
    message.send()
