"""Mails about payments: who gets which, once, and how they are switched off."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from smtplib import SMTPException
from typing import Any

import pytest
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.core.management import call_command

from quickscale_stripe.client import get_client
from quickscale_stripe.models import Payment, StripeEvent, StripePrice
from quickscale_stripe.sandbox import Sandbox
from tests.quickscale_stripe.shopping import open_checkout, open_signup

pytestmark = pytest.mark.django_db

STAFF = "staff@example.com"


@pytest.fixture(autouse=True)
def staff(settings: Any) -> None:
    settings.QUICKSCALE_STRIPE_STAFF_EMAILS = STAFF


@pytest.fixture
def deliver(shop: Sandbox, django_capture_on_commit_callbacks: Any) -> Callable[[], list[str]]:
    """Deliver Stripe's events, twice; gives the subjects of the mails since, and to whom."""

    def now() -> list[str]:
        mail.outbox.clear()
        for event in shop.events():
            shop.resend(event["id"])
        with django_capture_on_commit_callbacks(execute=True):
            shop.deliver()
        return [f"{one.to[0]}: {one.subject}" for one in mail.outbox]

    return now


@pytest.fixture
def basic(shop: Sandbox) -> StripePrice:
    return StripePrice.objects.get(product__name="Basic plan", interval="month")


def both_texts() -> list[str]:
    """The last mail as text and as HTML."""
    message = mail.outbox[-1]
    [alternative] = message.alternatives  # type: ignore[attr-defined]
    assert alternative.mimetype == "text/html"
    return [str(message.body), str(alternative.content)]


def test_a_purchase_is_confirmed_once(
    shop: Sandbox, owner: Any, package: StripePrice, deliver: Callable[[], list[str]]
) -> None:
    shop.pay(open_checkout(owner, package))
    [told] = deliver()
    payment = Payment.objects.get()
    assert told == f"ada@example.com: Your payment to QuickScale: {payment.receipt_number}"
    for text in both_texts():
        assert "$9.00" in text
        assert "Credits: 100" in text
        assert payment.receipt_url in text
    assert deliver() == []


def test_a_debit_that_the_bank_refuses_is_told(
    shop: Sandbox, owner: Any, package: StripePrice, deliver: Callable[[], list[str]]
) -> None:
    shop.pay(open_checkout(owner, package), "bank_failure")
    assert deliver() == []
    shop.settle(str(Payment.objects.get().payment_intent_id))
    assert deliver() == ["ada@example.com: Your payment to QuickScale did not go through"]
    for text in both_texts():
        assert "Nothing was charged" in text


def test_a_renewal_that_fails_leads_to_the_invoice_and_is_told_once(
    shop: Sandbox, owner: Any, basic: StripePrice, deliver: Callable[[], list[str]]
) -> None:
    shop.pay(open_signup(owner, basic), "renewal_declined")
    deliver()
    shop.advance(days=32)
    assert deliver() == ["ada@example.com: Your payment to QuickScale did not go through"]
    invoice = get_client().v1.invoices.list({"limit": 1}).data[0]
    for text in both_texts():
        assert str(invoice.hosted_invoice_url) in text
    shop.advance(days=4)
    assert deliver() == []


def test_staff_learn_of_a_dispute_and_of_its_end(
    shop: Sandbox, owner: Any, package: StripePrice, deliver: Callable[[], list[str]]
) -> None:
    shop.pay(open_checkout(owner, package))
    deliver()
    dispute = shop.dispute(str(Payment.objects.get().charge_id))
    assert deliver() == [f"{STAFF}: Dispute {dispute}: needs_response"]
    for text in both_texts():
        assert "$9.00" in text
        assert "fraudulent" in text
    shop.close_dispute(dispute, won=False)
    assert deliver() == [f"{STAFF}: Dispute {dispute}: lost"]


@pytest.mark.parametrize("settle", ["void_invoice", "mark_uncollectible"])
def test_staff_learn_of_an_invoice_that_is_given_up(
    shop: Sandbox, owner: Any, basic: StripePrice, deliver: Callable[[], list[str]], settle: str
) -> None:
    shop.pay(open_signup(owner, basic), "renewal_declined")
    shop.advance(days=32)
    deliver()
    invoices = get_client().v1.invoices
    invoice = invoices.list({"limit": 1}).data[0]
    getattr(invoices, settle)(invoice.id)
    assert deliver() == [f"{STAFF}: Invoice {invoice.id} needs attention"]


def test_staff_learn_of_an_event_that_died(
    shop: Sandbox,
    owner: Any,
    package: StripePrice,
    deliver: Callable[[], list[str]],
    settings: Any,
) -> None:
    settings.QUICKSCALE_STRIPE_EVENT_MAX_ATTEMPTS = 1
    settings.QUICKSCALE_STRIPE_FULFIL = "tests.quickscale_stripe.test_mails.broken"
    shop.pay(open_checkout(owner, package))
    [told, *_] = deliver()
    assert told == (f"{STAFF}: A Stripe event could not be processed: checkout.session.completed")
    for text in both_texts():
        assert "out of order" in text
    assert StripeEvent.objects.filter(status="dead").exists()


def broken(**facts: Any) -> None:
    raise RuntimeError("out of order")


def test_each_can_be_switched_off(
    shop: Sandbox,
    owner: Any,
    package: StripePrice,
    deliver: Callable[[], list[str]],
    settings: Any,
) -> None:
    settings.QUICKSCALE_STRIPE_MAILS = ["dispute"]
    shop.pay(open_checkout(owner, package))
    assert deliver() == []
    shop.dispute(str(Payment.objects.get().charge_id))
    assert len(deliver()) == 1


def test_managers_are_told_when_no_staff_is_named(
    shop: Sandbox,
    owner: Any,
    package: StripePrice,
    deliver: Callable[[], list[str]],
    settings: Any,
) -> None:
    settings.QUICKSCALE_STRIPE_STAFF_EMAILS = []
    settings.MANAGERS = [("Grace", "grace@example.com")]
    shop.pay(open_checkout(owner, package))
    deliver()
    shop.dispute(str(Payment.objects.get().charge_id))
    [told] = deliver()
    assert told.startswith("grace@example.com: ")


def test_old_payments_that_are_found_later_are_told_to_nobody(
    shop: Sandbox,
    owner: Any,
    package: StripePrice,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Any,
) -> None:
    monkeypatch.setattr("quickscale_stripe.mails.FRESH", timedelta(0))
    shop.set_delivery("hold")
    shop.pay(open_checkout(owner, package))
    with django_capture_on_commit_callbacks(execute=True):
        call_command("reconcile_stripe")
    assert Payment.objects.get().status == "succeeded"
    assert mail.outbox == []


def test_a_mail_that_can_not_be_sent_breaks_nothing(
    shop: Sandbox,
    owner: Any,
    package: StripePrice,
    deliver: Callable[[], list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(message: EmailMultiAlternatives, **options: Any) -> int:
        raise SMTPException("The server is away.")

    monkeypatch.setattr(EmailMultiAlternatives, "send", refuse)
    shop.pay(open_checkout(owner, package))
    assert deliver() == []
    assert Payment.objects.get().status == "succeeded"
    assert {row["state"] for row in shop.deliveries()} == {"delivered"}
