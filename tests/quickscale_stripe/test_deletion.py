"""Owners can be deleted: their subscriptions end first, and their payments stay."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.db import transaction
from django.test import Client
from django.utils import timezone

from quickscale import privacy
from quickscale.owner import forget_owner, get_owner_model
from quickscale_stripe.billing import customers, movements, refunds, sessions
from quickscale_stripe.catalogue import mirror
from quickscale_stripe.client import get_client
from quickscale_stripe.events import reconcile
from quickscale_stripe.exceptions import PaymentsError
from quickscale_stripe.models import Payment, StripeCustomer, StripeEvent, Subscription
from quickscale_stripe_sandbox import Sandbox
from tests.quickscale_stripe.shopping import open_checkout, open_signup

pytestmark = pytest.mark.django_db


@pytest.fixture
def subscribed(shop: Sandbox, owner: Any, package: Any) -> Subscription:
    """A purchase and a plan, both paid."""
    shop.pay(open_checkout(owner, package))
    shop.pay(open_signup(owner, mirror.plans()[0].price))
    shop.deliver()
    return Subscription.objects.get()


def test_subscriptions_end_first_and_payments_stay(
    shop: Sandbox, owner: Any, subscribed: Subscription
) -> None:
    paid = set(Payment.objects.values_list("receipt_number", "amount"))
    owner.delete()
    shop.deliver()

    remote = get_client().v1.subscriptions.retrieve(subscribed.stripe_id)
    subscribed.refresh_from_db()
    assert (remote.status, subscribed.status, subscribed.owner) == ("canceled", "canceled", None)
    assert set(Payment.objects.values_list("receipt_number", "amount")) == paid
    assert StripeCustomer.objects.get().email == getattr(owner, "email", "")
    assert not StripeEvent.objects.filter(status__in=["failed", "dead"]).exists()
    assert list(movements.verify()) == []


def test_the_owner_stays_while_stripe_is_unreachable(
    shop: Sandbox, owner: Any, subscribed: Subscription, settings: Any
) -> None:
    settings.QUICKSCALE_STRIPE_ENABLED = False

    with pytest.raises(PaymentsError), transaction.atomic():
        owner.delete()
    assert get_owner_model().objects.filter(pk=owner.pk).exists()


def test_refunds_go_on(shop: Sandbox, owner: Any, subscribed: Subscription) -> None:
    payment = Payment.objects.get(kind="one_time")
    owner.delete()
    payment.refresh_from_db()

    [refund] = refunds.refund(payment=payment, reference="a")
    shop.deliver()
    payment.refresh_from_db()
    assert (payment.status, refund.credits_revoked) == ("refunded", payment.credits)


def test_money_that_comes_too_late_is_reported_to_the_staff(
    shop: Sandbox,
    owner: Any,
    package: Any,
    settings: Any,
    django_capture_on_commit_callbacks: Any,
) -> None:
    settings.QUICKSCALE_STRIPE_STAFF_EMAILS = ["staff@example.com"]
    session = open_checkout(owner, package)
    owner.delete()
    shop.pay(session)
    with django_capture_on_commit_callbacks(execute=True):
        shop.deliver()
        sessions.sync(session)

    payment = Payment.objects.get()
    assert (payment.owner, payment.amount, payment.fulfilled_at) == (None, 900, None)
    assert "owner was deleted" in payment.fulfilment_error
    [told] = mail.outbox
    assert told.to == ["staff@example.com"]
    assert "Deleted owner" in told.body
    assert not StripeEvent.objects.filter(status__in=["failed", "dead"]).exists()


def test_reconciling_finds_nothing_to_repair(
    shop: Sandbox, owner: Any, subscribed: Subscription
) -> None:
    owner.delete()
    shop.deliver()

    since = timezone.now() - timedelta(days=30)
    assert list(reconcile.reconcile(since=since)) == []


def test_a_forgotten_owner_is_deleted_at_stripe(
    shop: Sandbox, owner: Any, subscribed: Subscription
) -> None:
    stripe_id = customers.ensure(owner).stripe_id or ""
    forget_owner(owner)
    shop.deliver()

    customer = StripeCustomer.objects.get()
    assert customer.owner is None
    erased = privacy.stored.get("stripe.customer").fields
    assert set(erased) >= {"email", "name", "sent_email", "sent_name", "payment_method"}
    assert not any(getattr(customer, field) for field in erased)
    assert get_client().v1.customers.retrieve(stripe_id).deleted
    assert Subscription.objects.get().status == "canceled"


def test_an_owner_who_never_bought_is_forgotten_too(shop: Sandbox, owner: Any) -> None:
    forget_owner(owner)

    assert not get_owner_model().objects.filter(pk=owner.pk).exists()


def test_payments_of_deleted_owners_are_shown_to_nobody(
    shop: Sandbox, owner: Any, subscribed: Subscription
) -> None:
    owner.delete()

    assert not Payment.objects.for_owner(None).exists()
    assert not Subscription.objects.for_owner(None).exists()


def test_the_admin_shows_payments_of_deleted_owners(
    shop: Sandbox, owner: Any, subscribed: Subscription, admin_client: Client
) -> None:
    owner.delete()
    for model in ("payment", "subscription", "stripecustomer"):
        listed = admin_client.get(f"/admin/quickscale_stripe/{model}/")
        assert listed.status_code == 200
    for row in [*Payment.objects.all(), *Subscription.objects.all()]:
        page = admin_client.get(f"/admin/quickscale_stripe/{row._meta.model_name}/{row.pk}/change/")
        assert page.status_code == 200
        assert "None" not in str(row)
