from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from quickscale_credits.models import CreditLot
from quickscale_stripe import fulfilment, signals
from quickscale_stripe.exceptions import StripeRefusedError
from quickscale_stripe.models import Payment, StripePrice
from quickscale_stripe.sandbox import Sandbox
from tests.quickscale_stripe.shopping import balance, open_checkout

pytestmark = pytest.mark.django_db


def test_a_paid_session_becomes_a_payment_and_credits(
    shop: Sandbox, owner: Any, package: StripePrice
) -> None:
    session = open_checkout(owner, package)
    shop.pay(session)

    payment = fulfilment.fulfil(session)

    assert payment is not None
    assert (payment.owner, payment.status, payment.price) == (owner, "succeeded", package)
    assert (payment.amount, payment.currency, payment.credits) == (900, "usd", Decimal(100))
    assert payment.payment_intent_id
    assert payment.charge_id
    assert payment.receipt_number == f"R{payment.paid_at:%Y}-{payment.pk:08d}"
    lot = CreditLot.objects.get(source_id=session)
    assert (lot.credit_type, lot.amount, lot.expires_at) == ("payg", Decimal(100), None)
    assert balance(owner) == 100


def test_fulfilling_again_changes_nothing(shop: Sandbox, owner: Any, package: StripePrice) -> None:
    session = open_checkout(owner, package)
    shop.pay(session)

    first, second = fulfilment.fulfil(session), fulfilment.fulfil(session)

    assert first == second
    assert Payment.objects.count() == 1
    assert balance(owner) == 100


def test_an_open_session_is_no_payment(shop: Sandbox, owner: Any, package: StripePrice) -> None:
    assert fulfilment.fulfil(open_checkout(owner, package)) is None
    assert not Payment.objects.exists()


def test_a_declined_card_leaves_the_session_open(
    shop: Sandbox, owner: Any, package: StripePrice
) -> None:
    session = open_checkout(owner, package)
    shop.pay(session, "declined")

    assert fulfilment.fulfil(session) is None
    assert balance(owner) == 0


def test_a_delayed_payment_is_pending_until_the_bank_says_yes(
    shop: Sandbox, owner: Any, package: StripePrice
) -> None:
    session = open_checkout(owner, package)
    shop.pay(session, "bank_success")
    pending = fulfilment.fulfil(session)
    assert pending is not None
    assert (pending.status, pending.receipt_number) == ("pending", None)
    assert balance(owner) == 0

    shop.settle(pending.payment_intent_id or "")
    paid = fulfilment.fulfil(session)

    assert paid is not None
    assert paid.status == "succeeded"
    assert balance(owner) == 100


def test_a_delayed_payment_that_fails_adds_nothing_and_says_why(
    shop: Sandbox, owner: Any, package: StripePrice
) -> None:
    told = []
    signals.payment_failed.connect(
        lambda payment, **kwargs: told.append(payment), weak=False, dispatch_uid="test"
    )
    session = open_checkout(owner, package)
    shop.pay(session, "bank_failure")
    pending = fulfilment.fulfil(session)
    assert pending is not None
    shop.settle(pending.payment_intent_id or "")

    failed = fulfilment.fulfil(session)

    signals.payment_failed.disconnect(dispatch_uid="test")
    assert failed is not None
    assert failed.status == "failed"
    assert failed.failure_message
    assert balance(owner) == 0


def test_the_credits_that_were_promised_are_given_when_the_price_changed_since(
    shop: Sandbox, owner: Any, package: StripePrice
) -> None:
    session = open_checkout(owner, package)
    StripePrice.objects.update(credits=5)
    shop.pay(session)

    fulfilment.fulfil(session)

    assert balance(owner) == 100


def test_a_session_of_another_site_on_the_account_is_ignored(
    shop: Sandbox, owner: Any, package: StripePrice
) -> None:
    session = open_checkout(owner, package)
    shop.pay(session)
    owner.stripe_customer.delete()

    assert fulfilment.fulfil(session) is None
    assert not Payment.objects.exists()


def test_an_unknown_session_is_refused(shop: Sandbox) -> None:
    with pytest.raises(StripeRefusedError) as caught:
        fulfilment.fulfil("cs_test_unknown")
    assert caught.value.is_missing


def test_a_failing_hook_leaves_no_payment_behind(
    shop: Sandbox, owner: Any, package: StripePrice, settings: Any
) -> None:
    def fail(**kwargs: Any) -> None:
        raise RuntimeError("no")

    settings.QUICKSCALE_STRIPE_FULFIL = fail
    session = open_checkout(owner, package)
    shop.pay(session)

    with pytest.raises(RuntimeError):
        fulfilment.fulfil(session)

    assert not Payment.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_eight_at_once_grant_once(shop: Sandbox, owner: Any, package: StripePrice) -> None:
    session = open_checkout(owner, package)
    shop.pay(session)

    def fulfil(_: int) -> None:
        try:
            fulfilment.fulfil(session)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(fulfil, range(8)))

    assert Payment.objects.count() == 1
    assert CreditLot.objects.count() == 1
    assert balance(owner) == 100
