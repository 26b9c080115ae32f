"""The amounts of a payment: what was charged, what was billed, and what can be refunded."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from quickscale_stripe.billing import refunds
from quickscale_stripe.client import using
from quickscale_stripe.exceptions import NotRefundableError, StripeUnavailableError
from quickscale_stripe.models import Payment, Refund
from quickscale_stripe.receipts import receipt
from quickscale_stripe_sandbox import Sandbox
from tests.owners import make_user
from tests.quickscale_stripe.proof.world import World
from tests.quickscale_stripe.shopping import balance, charge_of
from tests.quickscale_stripe.test_pages import text_of
from tests.quickscale_stripe.test_publishing import broken_at

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(shop: Sandbox, owner: Any) -> World:
    return World(shop, owner)


@pytest.fixture
def parts(world: World) -> Payment:
    """A renewal of 19.00 for 300 credits, paid by 5.00 and 14.00."""
    invoice = world.failed_renewal()
    world.pay_part(invoice, 500)
    world.pay_rest(invoice)
    world.sandbox.deliver()
    return Payment.objects.get(invoice_id=invoice)


@pytest.fixture
def staff() -> Client:
    user = make_user("boss@example.com")
    user.is_staff = user.is_superuser = True
    user.save()
    client = Client()
    client.force_login(user)
    return client


def share(amount: int) -> Any:
    """Return about how many credits this part of a renewal's money is for."""
    return pytest.approx(Decimal(300 * amount) / 1900, abs=Decimal("0.001"))


def sums(payment: Payment) -> list[tuple[str, int]]:
    return [(line.label, line.amount) for line in receipt.receipt_of(payment).sums]


def test_what_a_balance_paid_is_not_charged(
    world: World, buyer: Client, django_capture_on_commit_callbacks: Any, mailoutbox: list[Any]
) -> None:
    """A downgrade at once gives back 30.00 as a balance, which pays for the next two periods."""
    subscription = world.subscribe("Pro plan")
    world.change_in_portal(subscription, "Basic plan")
    world.sandbox.deliver()
    for _ in range(2):
        world.sandbox.advance(days=31)
        with django_capture_on_commit_callbacks(execute=True):
            world.sandbox.deliver()
    begun, change, first, second = Payment.objects.order_by("created_at", "pk")
    assert (begun.total, begun.amount) == (4900, 4900)
    assert (change.total, change.amount) == (-3000, 0)
    assert sums(change) == [("Total", -3000), ("Added to your balance", 3000), ("Paid", 0)]
    assert (first.total, first.amount, first.status, first.amount_left) == (1900, 0, "succeeded", 0)
    assert (second.total, second.amount, second.amount_left) == (1900, 800, 800)
    used = [("Total", 1900), ("Paid from your balance", -1100), ("Paid", 800)]
    assert sums(second) == used
    assert "Basic plan is paid." in mailoutbox[-2].body
    for text in (mailoutbox[-1].body, text_of(buyer.get(f"/dashboard/payments/{second.pk}/"))):
        for told in ("Total", "$19.00", "Paid from your balance", "$11.00", "$8.00"):
            assert told in text

    before = balance(world.owner)
    [row] = refunds.refund(payment=second, reference="all that is left")
    second.refresh_from_db()
    assert (row.amount, row.credits_revoked, second.status) == (800, 300, "refunded")
    assert balance(world.owner) == before - 300


def test_what_was_paid_outside_stripe_can_not_be_refunded(world: World, staff: Client) -> None:
    invoice = world.failed_renewal()
    world.client.v1.invoices.pay(
        invoice, {"paid_out_of_band": True}, {"idempotency_key": "in cash"}
    )
    world.sandbox.deliver()
    payment = Payment.objects.get(invoice_id=invoice)
    assert (payment.total, payment.amount, payment.status) == (1900, 0, "succeeded")
    assert (payment.credits, balance(world.owner)) == (300, 600)
    assert sums(payment) == [("Total", 1900), ("Paid in another way", -1900), ("Paid", 0)]
    with pytest.raises(NotRefundableError):
        refunds.refund(payment=payment, reference="a")
    page = staff.get(f"/admin/quickscale_stripe/payment/{payment.pk}/change/")
    assert page.status_code == 200
    assert f"/{payment.pk}/refund/" not in page.text


def test_a_credit_note_before_the_payment_is_not_charged(world: World) -> None:
    invoice = world.failed_renewal()
    world.credit(invoice, 400)
    world.pay_rest(invoice)
    world.sandbox.deliver()
    payment = Payment.objects.get(invoice_id=invoice)
    assert (payment.total, payment.amount, payment.amount_left) == (1900, 1500, 1500)
    assert sums(payment) == [("Total", 1900), ("Credit note", -400), ("Paid", 1500)]


def test_parts_of_an_invoice_are_one_payment(parts: Payment) -> None:
    assert (parts.total, parts.amount, parts.status) == (1900, 1900, "succeeded")
    assert sorted(charge.amount for charge in parts.charges.all()) == [500, 1400]
    assert sums(parts) == [("Total paid", 1900)]


def test_a_refund_goes_back_to_each_part(world: World, parts: Payment) -> None:
    rows = refunds.refund(payment=parts, reference="some", amount=600)
    assert sum(row.amount for row in rows) == 600
    assert len({row.charge_id for row in rows}) == 2
    parts.refresh_from_db()
    assert (parts.status, parts.amount_left) == ("partially_refunded", 1300)
    refunds.refund(payment=parts, reference="the rest")
    parts.refresh_from_db()
    assert (parts.status, parts.amount_left) == ("refunded", 0)
    assert balance(world.owner) == 300
    assert {row.stripe_id for row in refunds.refund(payment=parts, reference="some")} == {
        row.stripe_id for row in rows
    }


@pytest.mark.parametrize("arrives", [True, False], ids=["answer lost", "request lost"])
@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_the_same_reference_completes_a_refund_interrupted_between_the_parts(
    world: World, parts: Payment, number: int, arrives: bool
) -> None:
    broken = broken_at(number, world.sandbox, arrives=arrives)
    with using(broken), pytest.raises(StripeUnavailableError):
        refunds.refund(payment=parts, reference="a", amount=600)
    refunds.refund(payment=parts, reference="a", amount=600)
    world.sandbox.deliver()
    parts.refresh_from_db()
    assert parts.amount_refunded == 600
    assert sum(row.amount for row in Refund.objects.all()) == 600


def test_a_dispute_of_a_part_takes_its_share(world: World, parts: Payment) -> None:
    charge = parts.charges.get(amount=1400)
    world.sandbox.dispute(charge.charge_id)
    world.sandbox.deliver()
    parts.refresh_from_db()
    assert (parts.status, parts.amount_disputed, parts.amount_left) == ("disputed", 1400, 500)
    assert balance(world.owner) - 300 == share(500)
    [row] = refunds.refund(payment=parts, reference="a")
    assert (row.amount, row.charge_id != charge.charge_id) == (500, True)
    assert balance(world.owner) == 300


def test_a_refund_of_a_part_of_an_open_invoice_counts_once_it_is_paid(world: World) -> None:
    invoice = world.failed_renewal()
    charge = world.pay_part(invoice, 500)
    world.sandbox.refund(charge)
    world.sandbox.deliver()
    payment = Payment.objects.get(invoice_id=invoice)
    assert (payment.status, payment.amount_refunded) == ("failed", 500)
    world.pay_rest(invoice)
    world.sandbox.deliver()
    payment.refresh_from_db()
    assert (payment.status, payment.amount_left) == ("partially_refunded", 1400)
    assert balance(world.owner) - 300 == share(1400)


def test_a_payment_by_card_has_one_charge(world: World) -> None:
    world.buy()
    world.sandbox.deliver()
    payment = Payment.objects.get()
    assert (payment.total, payment.amount, payment.charges.get().amount) == (900, 900, 900)
    assert charge_of(payment)
