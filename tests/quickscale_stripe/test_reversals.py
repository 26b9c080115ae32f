from __future__ import annotations

from typing import Any

import pytest

from quickscale_credits.models import CreditAccount
from quickscale_stripe.client import get_client
from quickscale_stripe.models import Dispute, Payment, Refund, StripeEvent, StripePrice
from quickscale_stripe.sandbox import Sandbox
from tests.quickscale_stripe.shopping import balance, open_checkout

pytestmark = pytest.mark.django_db


@pytest.fixture
def paid(shop: Sandbox, owner: Any, package: StripePrice) -> Payment:
    """9.00 USD for 100 credits."""
    shop.pay(open_checkout(owner, package))
    shop.deliver()
    return Payment.objects.get()


def refund(shop: Sandbox, payment: Payment, amount: int) -> str:
    created = get_client().v1.refunds.create(
        {"charge": payment.charge_id or "", "amount": amount},
        {"idempotency_key": f"test:{payment.pk}:{amount}:{Refund.objects.count()}"},
    )
    shop.deliver()
    return created.id


def test_a_refund_takes_the_credits_back(shop: Sandbox, owner: Any, paid: Payment) -> None:
    refund(shop, paid, 900)
    paid.refresh_from_db()
    assert (paid.status, paid.amount_refunded) == ("refunded", 900)
    assert Refund.objects.get().credits_revoked == 100
    assert balance(owner) == 0


def test_part_refunds_take_their_share_and_the_last_takes_the_rest(
    shop: Sandbox, owner: Any, paid: Payment
) -> None:
    refund(shop, paid, 300)
    assert balance(owner) == 100 - Refund.objects.get().credits_revoked
    refund(shop, paid, 300)
    paid.refresh_from_db()
    assert paid.status == "partially_refunded"
    refund(shop, paid, 300)
    paid.refresh_from_db()
    assert paid.status == "refunded"
    shares = sorted(str(row.credits_revoked) for row in Refund.objects.all())
    assert shares == ["33.3333", "33.3333", "33.3334"]
    assert balance(owner) == 0


def test_events_of_refunds_twice_and_backwards_end_the_same(
    shop: Sandbox, owner: Any, paid: Payment
) -> None:
    shop.set_delivery("hold", copies=3)
    refund(shop, paid, 300)
    refund(shop, paid, 150)
    shop.release(backwards=True)
    shop.deliver()
    paid.refresh_from_db()
    assert paid.amount_refunded == 450
    assert balance(owner) == pytest.approx(50, abs=0.001)


def test_a_refund_that_fails_gives_back_what_it_took(
    shop: Sandbox, owner: Any, paid: Payment
) -> None:
    shop.fail_refund(refund(shop, paid, 450))
    shop.deliver()
    paid.refresh_from_db()
    assert (paid.status, paid.amount_refunded) == ("succeeded", 0)
    assert Refund.objects.get().status == "failed"
    assert balance(owner) == 100


def test_credits_that_are_spent_are_not_taken_below_zero(
    shop: Sandbox, owner: Any, paid: Payment
) -> None:
    CreditAccount.objects.for_owner(owner).consume_credits(70, "use")
    refund(shop, paid, 900)
    assert balance(owner) == 0


def test_a_dispute_takes_credits_while_the_money_is_withdrawn_and_gives_back_when_won(
    shop: Sandbox, owner: Any, paid: Payment
) -> None:
    CreditAccount.objects.for_owner(owner).consume_credits(70, "use")
    dispute = shop.dispute(paid.charge_id or "")
    shop.deliver()
    row = Dispute.objects.get()
    assert (row.stripe_id, row.is_withdrawn, row.credits_revoked) == (dispute, True, 100)
    assert balance(owner) == 0

    shop.close_dispute(dispute, won=True)
    shop.deliver()
    row.refresh_from_db()
    assert (row.status, row.is_withdrawn) == ("won", False)
    assert balance(owner) == 30


def test_a_won_dispute_waives_what_was_spent_and_returns_what_came_back_meanwhile(
    shop: Sandbox, owner: Any, paid: Payment
) -> None:
    account = CreditAccount.objects.for_owner(owner)
    used = account.consume_credits(100, "use")
    dispute = shop.dispute(paid.charge_id or "")
    shop.deliver()
    used.reverse(40, reason="It failed")
    assert balance(owner) == 0

    shop.close_dispute(dispute, won=True)
    shop.deliver()
    assert balance(owner) == 40
    used.reverse(reason="It failed")
    assert balance(owner) == 100


def test_a_lost_dispute_keeps_the_credits(shop: Sandbox, owner: Any, paid: Payment) -> None:
    dispute = shop.dispute(paid.charge_id or "")
    shop.close_dispute(dispute, won=False)
    shop.deliver()
    assert Dispute.objects.get().status == "lost"
    assert balance(owner) == 0


def test_an_inquiry_moves_nothing(shop: Sandbox, owner: Any, paid: Payment) -> None:
    shop.dispute(paid.charge_id or "", inquiry=True)
    shop.deliver()
    assert Dispute.objects.get().is_withdrawn is False
    assert balance(owner) == 100


def test_a_refund_before_its_payment_is_retried_and_ends_right(
    shop: Sandbox, owner: Any, package: StripePrice
) -> None:
    shop.set_delivery("hold")
    session = open_checkout(owner, package)
    shop.pay(session)
    intent = get_client().v1.checkout.sessions.retrieve(session).payment_intent
    get_client().v1.refunds.create({"payment_intent": str(intent)}, {"idempotency_key": "early"})
    shop.release(backwards=True)
    shop.deliver()
    assert StripeEvent.objects.filter(status="failed", error__startswith="NotYetKnown").exists()
    for event in StripeEvent.objects.filter(status="failed"):
        shop.resend(event.stripe_id)
    shop.deliver()
    assert not StripeEvent.objects.exclude(status__in=["processed", "ignored"]).exists()
    assert Payment.objects.get().status == "refunded"
    assert balance(owner) == 0


def test_a_refund_of_somebody_else_s_charge_is_ignored(shop: Sandbox, db: None) -> None:
    intent = get_client().v1.payment_intents.create(
        {"amount": 500, "currency": "usd", "confirm": True, "payment_method": "pm_card_visa",
         "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"}},
        {"idempotency_key": "elsewhere"},
    )  # fmt: skip
    get_client().v1.refunds.create({"payment_intent": intent.id}, {"idempotency_key": "refund"})
    shop.deliver()
    assert not Refund.objects.exists()
    assert not StripeEvent.objects.filter(status="failed").exists()


def test_an_appeal_takes_and_gives_back_once_more(shop: Sandbox, owner: Any, paid: Payment) -> None:
    dispute = shop.dispute(paid.charge_id or "")
    for withdrawals in (1, 2):
        shop.deliver()
        assert balance(owner) == 0
        assert Dispute.objects.get().withdrawals == withdrawals
        shop.close_dispute(dispute, won=True)
        shop.deliver()
        assert balance(owner) == 100
        shop.reopen_dispute(dispute)
    shop.close_dispute(dispute, won=False)
    shop.deliver()
    assert balance(owner) == 0
