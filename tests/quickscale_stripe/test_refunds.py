from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from quickscale_stripe.billing import refunds, returns
from quickscale_stripe.client import get_client, using
from quickscale_stripe.exceptions import (
    NotRefundableError,
    StripeRefusedError,
    StripeUnavailableError,
)
from quickscale_stripe.models import Payment, Refund, StripePrice
from quickscale_stripe_sandbox import Sandbox
from tests.quickscale_stripe.conftest import Unreachable, UseClient
from tests.quickscale_stripe.shopping import balance, charge_of, open_checkout
from tests.quickscale_stripe.test_publishing import broken_at

pytestmark = pytest.mark.django_db


@pytest.fixture
def paid(shop: Sandbox, owner: Any, package: StripePrice) -> Payment:
    """9.00 USD for 100 credits."""
    shop.pay(open_checkout(owner, package))
    shop.deliver()
    return Payment.objects.get()


def test_takes_all_back_and_its_events_change_nothing_more(
    shop: Sandbox, owner: Any, paid: Payment
) -> None:
    [row] = refunds.refund(payment=paid, reference="a", reason="duplicate", actor=owner)
    paid.refresh_from_db()
    assert (row.amount, row.reason, row.credits_revoked) == (900, "duplicate", 100)
    assert (paid.status, paid.amount_refunded, balance(owner)) == ("refunded", 900, 0)
    remote = get_client().v1.refunds.retrieve(row.stripe_id)
    assert remote.metadata
    assert remote.metadata.to_dict() == {"reference": "a", "actor": str(owner.pk)}
    shop.deliver()
    paid.refresh_from_db()
    assert (Refund.objects.count(), paid.amount_refunded, balance(owner)) == (1, 900, 0)


def test_takes_the_credits_that_the_preview_showed(owner: Any, paid: Payment) -> None:
    for number, amount in enumerate((300, 300, 300)):
        paid.refresh_from_db()
        foretold = returns.credits_for(payment=paid, amount=amount)
        [row] = refunds.refund(payment=paid, reference=str(number), amount=amount)
        assert row.credits_revoked == foretold
    assert balance(owner) == 0


def test_is_made_once_for_each_reference(shop: Sandbox, owner: Any, paid: Payment) -> None:
    made = {
        row.stripe_id
        for reference in ("a", "a", "b")
        for row in refunds.refund(payment=paid, reference=reference, amount=100)
    }
    assert len(made) == 2
    assert Refund.objects.count() == 2
    assert balance(owner) == Decimal("77.7778")


@pytest.mark.parametrize("arrives", [True, False], ids=["answer lost", "request lost"])
@pytest.mark.parametrize("number", [1, 2])
def test_a_refund_interrupted_anywhere_is_completed_by_the_same_reference(
    shop: Sandbox,
    owner: Any,
    paid: Payment,
    number: int,
    arrives: bool,
) -> None:
    broken = broken_at(number, shop, arrives=arrives)
    with using(broken), pytest.raises(StripeUnavailableError):
        refunds.refund(payment=paid, reference="a", amount=300)
    refunds.refund(payment=paid, reference="a", amount=300)
    shop.deliver()
    paid.refresh_from_db()
    assert len(get_client().v1.refunds.list().data) == Refund.objects.count() == 1
    assert (paid.amount_refunded, balance(owner)) == (300, Decimal("66.6667"))


@pytest.mark.parametrize("amount", [0, -1, 901])
def test_is_bounded_by_what_is_left(paid: Payment, amount: int) -> None:
    with pytest.raises(NotRefundableError, match=r"\$9\.00"):
        refunds.refund(payment=paid, reference="a", amount=amount)
    assert not get_client().v1.refunds.list().data


def test_is_bounded_by_stripe_when_this_site_lags_behind(shop: Sandbox, paid: Payment) -> None:
    get_client().v1.refunds.create(
        {"charge": charge_of(paid), "amount": 800}, {"idempotency_key": "elsewhere"}
    )
    with pytest.raises(StripeRefusedError):
        refunds.refund(payment=paid, reference="a", amount=900)
    assert paid.amount_left == 900


def test_is_refused_while_a_dispute_has_the_money(shop: Sandbox, paid: Payment) -> None:
    shop.dispute(charge_of(paid))
    shop.deliver()
    with pytest.raises(NotRefundableError):
        refunds.refund(payment=paid, reference="a")
    paid.refresh_from_db()
    assert (paid.status, paid.amount_left) == ("disputed", 0)


def test_of_what_is_not_paid_is_refused(shop: Sandbox, owner: Any, package: StripePrice) -> None:
    shop.pay(open_checkout(owner, package), "bank_success")
    shop.deliver()
    pending = Payment.objects.get(status="pending")
    with pytest.raises(NotRefundableError):
        refunds.refund(payment=pending, reference="a", amount=900)


def test_of_an_invoice(shop: Sandbox, owner: Any) -> None:
    from tests.quickscale_stripe.proof.world import World

    World(shop, owner).subscribe()
    shop.deliver()
    paid = Payment.objects.get(status="succeeded")
    [row] = refunds.refund(payment=paid, reference="a")
    assert (row.amount, row.credits_revoked) == (1900, 300)
    assert balance(owner) == 0


def test_when_stripe_is_down_nothing_is_taken(
    owner: Any, paid: Payment, use_client: UseClient
) -> None:
    use_client(Unreachable())
    with pytest.raises(StripeUnavailableError):
        refunds.refund(payment=paid, reference="a")
    assert (Refund.objects.count(), balance(owner)) == (0, 100)
