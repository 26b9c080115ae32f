"""The documentation's examples for ``quickscale_stripe.testing``, and further tests."""

from __future__ import annotations

# docs: from here
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model

from quickscale_credits.models import CreditAccount
from quickscale_stripe.client import get_client
from quickscale_stripe.models import Payment, Subscription
from quickscale_stripe.testing import StripeOfTest, stripe_sandbox
from tests.quickscale_stripe.shopping import charge_of


@pytest.fixture
def stripe(db: None) -> Iterator[StripeOfTest]:
    with stripe_sandbox() as stripe:
        yield stripe


@pytest.fixture
def ada(db: None) -> Any:
    return get_user_model().objects.create_user(email="ada@example.com", password="pass phrase")


def balance(owner: Any) -> int:
    return int(CreditAccount.objects.for_owner(owner).get_balance())


def test_a_package_brings_credits_and_a_refund_takes_them(stripe: StripeOfTest, ada: Any) -> None:
    stripe.buy(ada, "Starter pack")
    payment = Payment.objects.get()
    assert (payment.amount, balance(ada)) == (900, 100)

    stripe.refund(charge_of(payment), amount=450)
    assert balance(ada) == 50


def test_a_declined_card_brings_nothing(stripe: StripeOfTest, ada: Any) -> None:
    step = stripe.buy(ada, "Starter pack", method="declined")
    assert "declined" in step.error
    assert balance(ada) == 0


def test_a_bank_debit_is_pending_at_first(stripe: StripeOfTest, ada: Any) -> None:
    stripe.buy(ada, "Starter pack", method="bank_success")
    assert Payment.objects.get().status == "pending"
    stripe.advance(timedelta(days=1))
    assert balance(ada) == 100


def test_a_renewal_that_fails(stripe: StripeOfTest, ada: Any) -> None:
    stripe.buy(ada, "Basic plan", "month", method="renewal_declined")
    assert balance(ada) == 300
    stripe.advance(timedelta(days=32))
    assert Subscription.objects.get().status == "past_due"


# docs: to here


def test_an_empty_account(db: None, ada: Any) -> None:
    with stripe_sandbox(seed=False) as stripe:
        assert not stripe.sandbox.events()
        stripe.sandbox.seed()
        stripe.deliver()
        stripe.buy(ada, "Starter pack")
    assert balance(ada) == 100


def test_overrides_that_outlive_the_block_do_not_restore_its_sandbox(db: None) -> None:
    from django.test import override_settings

    from quickscale_stripe.client import payments_are_on, webhook_secrets

    before = (payments_are_on(), webhook_secrets())
    block = stripe_sandbox(seed=False)
    block.__enter__()
    override = override_settings(QUICKSCALE_STRIPE_PAGE_SIZE=3)
    override.enable()
    assert payments_are_on()
    block.__exit__(None, None, None)
    assert (payments_are_on(), webhook_secrets()) == before
    override.disable()
    assert (payments_are_on(), webhook_secrets()) == before


def test_the_end_of_the_block_ends_the_sandbox(stripe: StripeOfTest) -> None:
    def names() -> list[str | None]:
        return [customer.name for customer in get_client().v1.customers.list().data]

    get_client().v1.customers.create({"name": "Ada"})
    with stripe_sandbox(seed=False):
        assert names() == []
    assert names() == ["Ada"]


def test_an_event_that_the_site_refuses_fails_the_test(stripe: StripeOfTest, ada: Any) -> None:
    stripe.sandbox.add_endpoint("http://testserver/stripe/webhook/", secret="whsec_another")
    with pytest.raises(AssertionError, match="The webhook returned"):
        stripe.buy(ada, "Starter pack")
