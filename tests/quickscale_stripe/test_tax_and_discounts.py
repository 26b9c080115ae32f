"""Settings pass taxes, tax ids, coupons and promotion codes on to Checkout."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from quickscale_stripe.client import get_client
from quickscale_stripe.models import Payment, StripePrice
from quickscale_stripe_sandbox import Sandbox
from tests.quickscale_stripe.shopping import balance, charge_of, open_checkout, open_signup
from tests.quickscale_stripe.test_subscriptions import basic

__all__ = ["basic"]

pytestmark = pytest.mark.django_db


def test_a_promotion_code_lowers_the_price_and_not_the_credits(
    settings: Any, shop: Sandbox, owner: Any, package: StripePrice
) -> None:
    settings.QUICKSCALE_STRIPE_ALLOW_PROMOTION_CODES = True
    session = open_checkout(owner, package)
    assert shop.enter_code(session, "WELCOME") == ""
    shop.pay(session)
    shop.deliver()

    payment = Payment.objects.get()
    assert (payment.status, payment.amount, payment.credits) == ("succeeded", 810, 100)
    assert balance(owner) == 100


def test_a_refund_of_what_was_paid_takes_all_credits_back(
    settings: Any, shop: Sandbox, owner: Any, package: StripePrice
) -> None:
    settings.QUICKSCALE_STRIPE_ALLOW_PROMOTION_CODES = True
    session = open_checkout(owner, package)
    shop.enter_code(session, "WELCOME")
    shop.pay(session)
    shop.deliver()
    shop.refund(charge_of(Payment.objects.get()), amount=405)
    shop.deliver()
    assert balance(owner) == 50
    shop.refund(charge_of(Payment.objects.get()))
    shop.deliver()
    assert balance(owner) == 0


def test_a_code_for_everything_brings_credits_without_a_charge(
    settings: Any, shop: Sandbox, owner: Any, package: StripePrice
) -> None:
    settings.QUICKSCALE_STRIPE_ALLOW_PROMOTION_CODES = True
    stripe = get_client().v1
    coupon = stripe.coupons.create({"percent_off": 100.0}, {"idempotency_key": "coupon"})
    stripe.promotion_codes.create(
        {"code": "FREE", "promotion": {"type": "coupon", "coupon": coupon.id}},
        {"idempotency_key": "code"},
    )
    session = open_checkout(owner, package)
    shop.enter_code(session, "FREE")
    shop.pay(session)
    shop.deliver()

    payment = Payment.objects.get()
    assert (payment.status, payment.amount, payment.charges.count()) == ("succeeded", 0, 0)
    assert balance(owner) == 100


def test_without_the_setting_checkout_has_no_field_for_codes(
    shop: Sandbox, owner: Any, package: StripePrice
) -> None:
    assert shop.enter_code(open_checkout(owner, package), "WELCOME")


def test_tax_is_recorded_and_shown_on_the_receipt(
    settings: Any, shop: Sandbox, owner: Any, buyer: Client, package: StripePrice
) -> None:
    settings.QUICKSCALE_STRIPE_AUTOMATIC_TAX = True
    settings.QUICKSCALE_STRIPE_TAX_ID_COLLECTION = True
    session = open_checkout(owner, package)
    sent = get_client().v1.checkout.sessions.retrieve(session)
    assert sent.automatic_tax.enabled
    assert sent.tax_id_collection is not None
    assert sent.tax_id_collection.enabled
    shop.pay(session)
    shop.deliver()

    payment = Payment.objects.get()
    assert (payment.amount, payment.tax, payment.credits) == (1080, 180, 100)
    assert balance(owner) == 100
    receipt = buyer.get(f"/dashboard/payments/{payment.pk}/receipt/").content.decode()
    assert "$1.80" in receipt
    assert "$9.00" in receipt
    assert "$10.80" in receipt


def test_a_plan_with_a_code_and_tax_brings_the_plans_credits_each_period(
    settings: Any, shop: Sandbox, owner: Any, basic: StripePrice
) -> None:
    settings.QUICKSCALE_STRIPE_ALLOW_PROMOTION_CODES = True
    settings.QUICKSCALE_STRIPE_AUTOMATIC_TAX = True
    session = open_signup(owner, basic)
    shop.enter_code(session, "WELCOME")
    shop.pay(session)
    shop.advance(days=31)
    shop.deliver()

    first, renewal = Payment.objects.order_by("created_at")
    assert (first.amount, first.tax, first.credits) == (2052, 342, 300)
    assert (renewal.amount, renewal.tax, renewal.credits) == (2280, 380, 300)
