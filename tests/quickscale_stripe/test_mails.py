"""Mails about payments: who gets each one, that it comes once, and how to switch it off."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from smtplib import SMTPException
from typing import Any

import pytest
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.core.management import call_command
from django.utils import timezone

from quickscale.internal import mail_samples
from quickscale_stripe.client import get_client
from quickscale_stripe.internal.mail_samples import NAMES
from quickscale_stripe.models import Payment, StripeEvent, StripePrice
from quickscale_stripe_sandbox import Sandbox
from tests.markup import words
from tests.quickscale_stripe.hooks import use_hooks
from tests.quickscale_stripe.shopping import charge_of, intent_of, open_checkout, open_signup

pytestmark = pytest.mark.django_db

STAFF = "staff@example.com"
SENDER = "QuickScale <site@example.com>"


@pytest.fixture(autouse=True)
def staff(settings: Any) -> None:
    settings.QUICKSCALE_STRIPE_STAFF_EMAILS = STAFF


@pytest.fixture
def deliver(shop: Sandbox, django_capture_on_commit_callbacks: Any) -> Callable[[], list[str]]:
    """Deliver Stripe's events twice; return recipient and subject of each mail sent by that."""

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
    """Return the last mail as text and as HTML."""
    message = mail.outbox[-1]
    [alternative] = message.alternatives  # type: ignore[attr-defined]
    assert alternative.mimetype == "text/html"
    return [str(message.body), str(alternative.content)]


@pytest.mark.parametrize("name", NAMES)
def test_every_mail_has_a_sample_in_text_and_html(
    rf: Any, name: str, django_assert_num_queries: Any
) -> None:
    """The accounts' preview shows these, and the sender is that of all mails."""
    with django_assert_num_queries(0):
        message = mail_samples.render(rf.get("/"), name)
    [alternative] = message.alternatives
    assert message.from_email == SENDER
    assert message.subject
    assert alternative.content.count("<h1") == 1
    assert "None" not in message.body
    assert "<" not in message.body


def test_a_purchase_is_confirmed_once(
    shop: Sandbox, owner: Any, package: StripePrice, deliver: Callable[[], list[str]]
) -> None:
    shop.pay(open_checkout(owner, package))
    [told] = deliver()
    payment = Payment.objects.get()
    assert told == f"ada@example.com: Your payment to QuickScale: {payment.receipt_number}"
    assert mail.outbox[0].from_email == SENDER
    for text in both_texts():
        assert "$9.00" in text
        assert "100 credits" in words(text)
        assert str(payment.receipt_number) in text
        assert payment.receipt_url in text
    assert deliver() == []


def test_a_debit_that_the_bank_refuses_is_announced(
    shop: Sandbox, owner: Any, package: StripePrice, deliver: Callable[[], list[str]]
) -> None:
    shop.pay(open_checkout(owner, package), "bank_failure")
    assert deliver() == []
    shop.settle(intent_of(Payment.objects.get()))
    assert deliver() == ["ada@example.com: Your payment to QuickScale did not go through"]
    for text in both_texts():
        assert "Nothing was charged" in text


def test_a_renewal_that_fails_leads_to_the_invoice_and_is_announced_once(
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
    dispute = shop.dispute(charge_of(Payment.objects.get()))
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
    use_hooks(settings, fulfil=broken)
    shop.pay(open_checkout(owner, package))
    died = f"{STAFF}: A Stripe event could not be processed: checkout.session.completed"
    assert died in deliver()
    for text in both_texts():
        assert "out of order" in text
    assert StripeEvent.objects.filter(status="dead").exists()


def broken(**facts: Any) -> None:
    raise RuntimeError("out of order")


def test_staff_learn_of_metadata_that_can_not_be_read(
    shop: Sandbox, package: StripePrice, deliver: Callable[[], list[str]]
) -> None:
    get_client().v1.prices.update(package.stripe_id, {"metadata": {"credits": "1,000"}})
    assert deliver() == [f"{STAFF}: The price of Starter pack has metadata that can't be read"]
    for text in both_texts():
        assert "Type 1000." in text
        assert "the last good value applies: 100 credits." in words(text)
    assert deliver() == []


@pytest.mark.parametrize(
    ("credits", "subjects"),
    [("", ["A paid plan brought no credits"]), ("1,000", ["A paid plan brought no credits"]),
     ("0", [])],
)  # fmt: skip
def test_staff_learn_of_a_paid_plan_that_brought_no_credits(
    shop: Sandbox,
    owner: Any,
    basic: StripePrice,
    deliver: Callable[[], list[str]],
    credits: str,  # noqa: A002
    subjects: list[str],
) -> None:
    shop.pay(open_signup(owner, basic))
    deliver()
    client = get_client().v1
    client.products.update(basic.product.stripe_id, {"metadata": {"credits": ""}})
    client.prices.update(basic.stripe_id, {"metadata": {"credits": ""}})
    deliver()
    client.prices.update(basic.stripe_id, {"metadata": {"credits": credits}})
    deliver()
    shop.advance(days=32)
    to_staff = [told for told in deliver() if told.startswith(STAFF)]
    receipt = Payment.objects.latest("created_at").receipt_number
    assert to_staff == [f"{STAFF}: {subject}: {receipt}" for subject in subjects]
    if subjects:
        assert all("$19.00" in text and basic.stripe_id in text for text in both_texts())


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
    shop.dispute(charge_of(Payment.objects.get()))
    assert len(deliver()) == 1


def test_managers_get_the_mail_when_no_staff_is_named(
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
    shop.dispute(charge_of(Payment.objects.get()))
    [told] = deliver()
    assert told.startswith("grace@example.com: ")


def test_nobody_gets_a_mail_about_old_payments_that_are_found_later(
    shop: Sandbox,
    owner: Any,
    package: StripePrice,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Any,
) -> None:
    shop.set_delivery("hold")
    shop.pay(open_checkout(owner, package))
    now = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: now + timedelta(days=4))
    with django_capture_on_commit_callbacks(execute=True):
        call_command("reconcile_stripe", days=5)
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
