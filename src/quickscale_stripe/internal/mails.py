"""Mails about payments to customers and to the site's staff.

Each is sent after its news is committed. It is lost if the process dies just then, but the pages
and the admin show the same. Owners get no mail about payments older than :data:`FRESH`, so a
reconciliation of last year's payments is quiet.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.dispatch import receiver
from django.utils import timezone
from django.utils.translation import gettext as _

from quickscale.mail import make_mail
from quickscale.owner import owner_email
from quickscale_stripe import signals
from quickscale_stripe.catalogue import metadata
from quickscale_stripe.conf import app_settings
from quickscale_stripe.models import Dispute, Payment, StripeEvent, StripePrice
from quickscale_stripe.receipts import receipt

FRESH = timedelta(days=3)
PREFIX = "quickscale_stripe/email/"


@receiver(signals.payment_succeeded)
def confirm_purchase(payment: Payment, **kwargs: Any) -> None:
    if payment.total > 0 and _is_fresh(payment.paid_at or payment.created_at):
        to = [owner_email(payment.owner)]
        _send("purchase", to, payment=payment, settled=receipt.settled(payment))


@receiver(signals.payment_failed)
def report_failure(payment: Payment, **kwargs: Any) -> None:
    """The mail about an invoice links to its page at Stripe, where it can be paid or confirmed."""
    if payment.status == Payment.Status.FAILED and _is_fresh(payment.created_at):
        _send("payment_failed", [owner_email(payment.owner)], payment=payment)


@receiver(signals.dispute_changed)
def report_dispute(dispute: Dispute, previous_status: str, **kwargs: Any) -> None:
    """Staff have until ``evidence_due_by`` to answer it."""
    if dispute.status != previous_status:
        _send("dispute", staff(), dispute=dispute, payment=dispute.payment)


@receiver(signals.invoice_problem)
def report_invoice(invoice_id: str, problem: str, owner: Any, **kwargs: Any) -> None:
    _send(
        "invoice_problem",
        staff(),
        invoice_id=invoice_id,
        problem=problem,
        owner=owner or _("a deleted owner"),
    )


@receiver(signals.fulfilment_failed)
def report_fulfilment(payment: Payment, **kwargs: Any) -> None:
    """Mail once for each payment until the hook succeeds; the event's retries add nothing new."""
    _send("fulfilment_failed", staff(), payment=payment)


@receiver(signals.event_died)
def report_event(event: StripeEvent, **kwargs: Any) -> None:
    _send("event_died", staff(), event=event)


@receiver(signals.catalogue_problem)
def report_metadata(price: StripePrice, **kwargs: Any) -> None:
    """Mail once for each text that can't be read."""
    found = metadata.problems(price.metadata_errors)
    _send("catalogue_problem", staff(), price=price, problems=found)


@receiver(signals.payment_succeeded)
def report_missing_credits(payment: Payment, **kwargs: Any) -> None:
    """A paid plan brings credits, unless its metadata explicitly says 0."""
    is_plan = payment.kind == Payment.Kind.SUBSCRIPTION and payment.total > 0
    if is_plan and not payment.credits and not _brings_none_on_purpose(payment.price):
        _send("missing_credits", staff(), payment=payment, price=payment.price)


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


def _send(name: str, to: list[str], **context: Any) -> None:
    """Send the mail of that name, unless ``MAILS`` leaves it out or it has no recipient."""
    recipients = [address for address in to if address]
    if name in app_settings.mails and recipients:
        make_mail(f"{PREFIX}{name}", recipients, context).send()
