"""Mails about plans and refunds: each comes once, whatever the order of the events that report it.

What happens, happens at Stripe, as in its portal or dashboard; the site learns of it by events.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core import mail
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from quickscale.formats import format_day
from quickscale_stripe.billing import plan_changes, subscriptions
from quickscale_stripe.client import get_client
from quickscale_stripe.internal.mail_samples import sample_context
from quickscale_stripe.internal.mails import make
from quickscale_stripe.models import Payment, Refund, StripePrice, Subscription
from quickscale_stripe_sandbox import Sandbox
from tests.markup import words
from tests.quickscale_stripe.shopping import alter, intent_of, open_checkout, open_signup

pytestmark = pytest.mark.django_db

OWNER = "ada@example.com"
WITH_FACTS = (
    "purchase",
    "payment_refunded",
    "refund_failed",
    "cancellation_scheduled",
    "cancellation_withdrawn",
    "plan_change_scheduled",
    "subscription_ended",
)
Tell = Callable[[], list[str]]


@pytest.fixture(params=["in order", "backwards"])
def tell(
    request: pytest.FixtureRequest, shop: Sandbox, django_capture_on_commit_callbacks: Any
) -> Tell:
    """Deliver the events so far, then all of them again; return the mails that were sent."""
    shop.set_delivery("hold")

    def now() -> list[str]:
        mail.outbox.clear()
        with django_capture_on_commit_callbacks(execute=True):
            shop.release(backwards=request.param == "backwards")
            shop.deliver()
            for event in shop.events():
                shop.resend(event["id"])
            shop.deliver()
        return [f"{one.to[0]}: {one.subject}" for one in mail.outbox]

    return now


@pytest.fixture
def plan(shop: Sandbox, owner: Any, tell: Tell) -> Subscription:
    """A subscription to the Pro plan, whose events have come."""
    pro = StripePrice.objects.get(product__name="Pro plan", interval="month")
    shop.pay(open_signup(owner, pro))
    tell()
    return Subscription.objects.get()


def both_texts() -> list[str]:
    [message] = mail.outbox
    [alternative] = message.alternatives  # type: ignore[attr-defined]
    return [words(str(message.body)), words(str(alternative.content))]


def address(page: str, **kwargs: Any) -> str:
    return f"https://testserver{reverse(f'quickscale_stripe:{page}', kwargs=kwargs)}"


def update(plan: Subscription, **changes: Any) -> None:
    params: Any = changes
    options: Any = {"idempotency_key": f"by hand {uuid4()}"}
    get_client().v1.subscriptions.update(plan.stripe_id, params, options)


def downgrade(plan: Subscription) -> None:
    """Schedule a change to the Basic plan at Stripe, of which the site does not know yet."""
    basic = StripePrice.objects.get(product__name="Basic plan", interval="month")
    with transaction.atomic():
        shown = plan_changes.preview(subscription=plan, price=basic)
        plan_changes.change(subscription=plan, price=basic, token=shown.token)
        transaction.set_rollback(True)


@pytest.mark.parametrize("name", WITH_FACTS)
def test_both_parts_have_the_same_facts_and_the_same_link(name: str) -> None:
    context = sample_context(name)
    url = context["url"] if "url" in context else context["payment"].invoice_url
    message = make(name, [OWNER], context)
    texts = (words(str(message.body)), words(str(message.alternatives[0].content)))
    for text in texts:
        assert all(label in text and value in text for label, value in context["facts"])
        assert url in text
    assert url.startswith("https://")
    assert len(context["facts"]) >= 3


def test_a_cancellation_says_until_when_the_plan_stays(plan: Subscription, tell: Tell) -> None:
    update(plan, cancel_at_period_end=True)
    ends = format_day(plan.current_period_end or timezone.now())
    assert tell() == [f"{OWNER}: Pro plan ends on {ends}"]
    for text in both_texts():
        assert f"Pro plan stays as it is until {ends}, and then ends." in text
        assert f"usable until {ends}" in text
        assert "Credits that you bought stay yours." in text
        assert address("subscription") in text
    assert tell() == []


def test_a_cancellation_that_is_undone_says_that_the_plan_continues(
    plan: Subscription, tell: Tell
) -> None:
    update(plan, cancel_at_period_end=True)
    tell()
    update(plan, cancel_at_period_end=False)
    assert tell() == [f"{OWNER}: Pro plan continues"]
    for text in both_texts():
        assert format_day(plan.current_period_end or timezone.now()) in text
        assert "$49.00 a month" in text
    assert tell() == []


def test_what_was_undone_before_the_site_learned_of_it_sends_no_mail(
    plan: Subscription, tell: Tell
) -> None:
    update(plan, cancel_at_period_end=True)
    update(plan, cancel_at_period_end=False)
    assert tell() == []


def test_an_end_that_is_moved_sends_another_mail(plan: Subscription, tell: Tell) -> None:
    update(plan, cancel_at_period_end=True)
    tell()
    update(plan, cancel_at_period_end=False)
    ends = timezone.now() + timedelta(days=10)
    update(plan, cancel_at=int(ends.timestamp()))
    assert tell() == [f"{OWNER}: Pro plan ends on {format_day(ends)}"]


def test_a_change_of_plan_says_what_comes_when_and_for_how_much(
    plan: Subscription, tell: Tell
) -> None:
    downgrade(plan)
    begins = format_day(plan.current_period_end or timezone.now())
    assert tell() == [f"{OWNER}: Pro plan changes to Basic plan on {begins}"]
    for text in both_texts():
        assert f"Pro plan stays until {begins}. Then Basic plan begins." in text
        assert "$19.00 a month" in text
        assert "300 credits each month" in text
    assert tell() == []


def test_a_change_of_plan_that_was_dropped_before_sends_no_mail(
    plan: Subscription, tell: Tell
) -> None:
    downgrade(plan)
    schedule = get_client().v1.subscriptions.retrieve(plan.stripe_id).schedule
    get_client().v1.subscription_schedules.release(str(schedule))
    assert tell() == []


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        ("cancellation_requested", "Pro plan was cancelled and has ended."),
        ("payment_failed", "Pro plan has ended because its payment failed."),
        ("payment_disputed", "Pro plan has ended because a payment was disputed."),
        (None, "Pro plan has ended."),
    ],
)
def test_the_end_of_a_plan_says_why(
    shop: Sandbox, plan: Subscription, tell: Tell, reason: str | None, sentence: str
) -> None:
    get_client().v1.subscriptions.cancel(plan.stripe_id)
    alter(shop, "subscription", plan.stripe_id, cancellation_details={"reason": reason})
    assert tell() == [f"{OWNER}: Pro plan has ended"]
    for text in both_texts():
        assert f"{sentence} You will not be charged again." in text
        assert address("plans") in text
    assert tell() == []


def test_a_plan_that_ends_as_it_was_cancelled_sends_a_mail_at_its_end(
    shop: Sandbox, plan: Subscription, tell: Tell
) -> None:
    update(plan, cancel_at_period_end=True)
    tell()
    shop.advance(days=32)
    assert tell() == [f"{OWNER}: Pro plan has ended"]


@pytest.mark.parametrize(
    ("policy", "is_said"), [("keep", True), ("expire", False)], ids=["keep", "expire"]
)
def test_the_end_of_a_plan_says_how_long_its_credits_stay(
    plan: Subscription, tell: Tell, settings: Any, policy: str, is_said: bool
) -> None:
    settings.QUICKSCALE_STRIPE_ENDED_POLICY = policy
    get_client().v1.subscriptions.cancel(plan.stripe_id)
    tell()
    until = f"usable until {format_day(plan.current_period_end or timezone.now())}"
    assert [until in text for text in both_texts()] == [is_said, is_said]


def test_an_owner_who_is_deleted_gets_no_mail_about_the_plan(
    owner: Any, plan: Subscription, django_capture_on_commit_callbacks: Any
) -> None:
    mail.outbox.clear()
    with django_capture_on_commit_callbacks(execute=True):
        owner.delete()
    assert Subscription.objects.get().status == "canceled"
    assert mail.outbox == []


def test_our_own_pages_send_the_same_mail_once(
    plan: Subscription, tell: Tell, django_capture_on_commit_callbacks: Any
) -> None:
    mail.outbox.clear()
    with django_capture_on_commit_callbacks(execute=True):
        subscriptions.cancel_at_period_end(plan)
    assert len(mail.outbox) == 1
    assert tell() == []


@pytest.mark.parametrize("days", [0, 4])
def test_a_cancellation_that_is_old_when_it_becomes_known_sends_no_mail(
    plan: Subscription, tell: Tell, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    update(plan, cancel_at_period_end=True)
    now = timezone.now() + timedelta(days=days)
    monkeypatch.setattr(timezone, "now", lambda: now)
    assert len(tell()) == (0 if days else 1)


def test_a_signup_that_was_never_paid_does_not_end(shop: Sandbox, owner: Any, tell: Tell) -> None:
    pro = StripePrice.objects.get(product__name="Pro plan", interval="month")
    shop.pay(open_signup(owner, pro), "declined")
    tell()
    assert "has ended" not in " ".join(str(one.subject) for one in mail.outbox)


def buy(shop: Sandbox, owner: Any, package: StripePrice, tell: Tell) -> Payment:
    shop.pay(open_checkout(owner, package))
    tell()
    return Payment.objects.get()


def give_back(payment: Payment, amount: int) -> str:
    params: Any = {"payment_intent": intent_of(payment), "amount": amount}
    return get_client().v1.refunds.create(params, {"idempotency_key": f"refund:{amount}"}).id


def test_a_refund_says_what_came_back_and_what_was_taken(
    shop: Sandbox, owner: Any, package: StripePrice, tell: Tell
) -> None:
    payment = buy(shop, owner, package, tell)
    give_back(payment, 450)
    assert tell() == [f"{OWNER}: QuickScale returns $4.50 to you"]
    for text in both_texts():
        assert "We return $4.50 of your payment for Starter pack." in text
        assert "Starter pack, $9.00" in text
        assert str(payment.receipt_number) in text
        assert "50 credits" in text
        assert address("payment", pk=payment.pk) in text
    assert tell() == []

    give_back(payment, 300)
    assert tell() == [f"{OWNER}: QuickScale returns $3.00 to you"]


def test_a_refund_that_failed_before_sends_no_mail(
    shop: Sandbox, owner: Any, package: StripePrice, tell: Tell
) -> None:
    payment = buy(shop, owner, package, tell)
    shop.fail_refund(give_back(payment, 450))
    assert tell() == []
    assert Refund.objects.get().status == "failed"


def test_a_refund_that_comes_back_tells_the_customer_and_the_staff(
    shop: Sandbox, owner: Any, package: StripePrice, tell: Tell, settings: Any
) -> None:
    settings.QUICKSCALE_STRIPE_STAFF_EMAILS = ["books@example.com"]
    payment = buy(shop, owner, package, tell)
    refund = give_back(payment, 450)
    tell()
    shop.fail_refund(refund)
    assert sorted(tell()) == [
        f"{OWNER}: Your refund of $4.50 did not arrive",
        f"books@example.com: A refund came back: {refund}",
    ]
    ours, theirs = (
        next(str(one.body) for one in mail.outbox if one.to == [to])
        for to in (OWNER, "books@example.com")
    )
    assert "Starter pack" in ours
    assert address("payment", pk=payment.pk) in ours
    assert "lost_or_stolen_card" in theirs
    assert tell() == []


def test_a_payment_that_failed_can_be_tried_again(
    shop: Sandbox, owner: Any, package: StripePrice, tell: Tell
) -> None:
    shop.pay(open_checkout(owner, package), "bank_failure")
    tell()
    shop.settle(intent_of(Payment.objects.get()))
    assert len(tell()) == 1
    assert all(address("buy_credits") in text for text in both_texts())


def test_each_can_be_switched_off(plan: Subscription, tell: Tell, settings: Any) -> None:
    settings.QUICKSCALE_STRIPE_MAILS = ["purchase"]
    update(plan, cancel_at_period_end=True)
    assert tell() == []


def test_the_seller_stands_at_the_end_of_mails_to_customers_only(settings: Any) -> None:
    settings.QUICKSCALE_STRIPE_SELLER_ADDRESS = "1 Mill Lane\nBath"
    ours = make("purchase", [OWNER], sample_context("purchase"))
    staff = make("dispute", [OWNER], sample_context("dispute"))
    assert str(ours.body).rstrip().endswith("1 Mill Lane\nBath")
    assert "Mill Lane" not in str(staff.body)
    assert "because you look after the payments of QuickScale." in str(staff.body)
