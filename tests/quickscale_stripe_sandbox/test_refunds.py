"""Refunds and disputes."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from quickscale_stripe_sandbox import Sandbox

from .conftest import open_session


@pytest.fixture
def charge(client: stripe.StripeClient, price: stripe.Price, sandbox: Sandbox) -> stripe.Charge:
    """A charge of 18.00 USD by card."""
    return paid(client, price, sandbox, "card")


def paid(
    client: stripe.StripeClient, price: stripe.Price, sandbox: Sandbox, method: str
) -> stripe.Charge:
    sandbox.pay(open_session(client, price).id, method)
    sandbox.advance(seconds=10)
    return client.v1.charges.list().data[0]


def test_refunds_add_up(
    client: stripe.StripeClient, charge: stripe.Charge, sandbox: Sandbox
) -> None:
    first = client.v1.refunds.create({"charge": charge.id, "amount": 500})
    assert (first.status, first.payment_intent) == ("succeeded", charge.payment_intent)
    after = client.v1.charges.retrieve(charge.id, {"expand": ["refunds"]})
    assert (after.amount_refunded, after.refunded) == (500, False)
    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded"):
        client.v1.refunds.create({"charge": charge.id, "amount": 1301})
    assert isinstance(charge.payment_intent, str)
    rest = client.v1.refunds.create({"payment_intent": charge.payment_intent})
    after = client.v1.charges.retrieve(charge.id, {"expand": ["refunds"]})
    assert (rest.amount, after.amount_refunded, after.refunded) == (1300, 1800, True)
    assert after.refunds
    assert [refund.id for refund in after.refunds.data] == [rest.id, first.id]
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.refunds.create({"charge": charge.id})
    assert refused.value.code == "charge_already_refunded"
    assert [event["type"] for event in sandbox.events()][-2:] == [
        "refund.created",
        "charge.refunded",
    ]


def test_a_refund_can_fail_later(
    client: stripe.StripeClient, charge: stripe.Charge, sandbox: Sandbox
) -> None:
    refund = client.v1.refunds.create({"charge": charge.id, "amount": 500})
    sandbox.fail_refund(refund.id)
    failed = client.v1.refunds.retrieve(refund.id)
    assert (failed.status, failed.failure_reason) == ("failed", "lost_or_stolen_card")
    assert client.v1.charges.retrieve(charge.id).amount_refunded == 0
    assert len(sandbox.events("refund.failed", "refund.updated")) == 2


def test_a_refund_to_a_bank_takes_time(
    client: stripe.StripeClient, price: stripe.Price, sandbox: Sandbox
) -> None:
    charge = paid(client, price, sandbox, "bank_success")
    refund = client.v1.refunds.create({"charge": charge.id})
    assert refund.status == "pending"
    sandbox.advance(seconds=10)
    assert client.v1.refunds.retrieve(refund.id).status == "succeeded"


@pytest.mark.parametrize("won", [True, False])
def test_a_dispute_takes_the_money_until_it_is_won(
    client: stripe.StripeClient, charge: stripe.Charge, sandbox: Sandbox, won: bool
) -> None:
    dispute_id = sandbox.dispute(charge.id)
    dispute = client.v1.disputes.retrieve(dispute_id)
    assert (dispute.status, dispute.amount) == ("needs_response", 1800)
    assert client.v1.charges.retrieve(charge.id).disputed
    sandbox.close_dispute(dispute_id, won=won)
    dispute = client.v1.disputes.retrieve(dispute_id)
    assert dispute.status == ("won" if won else "lost")
    assert sum(row.amount for row in dispute.balance_transactions) == (0 if won else -1800)
    names = [event["type"].removeprefix("charge.dispute.") for event in sandbox.events()]
    expected = ["created", "funds_withdrawn", *(["funds_reinstated"] if won else []), "closed"]
    assert names[-len(expected) :] == expected


def test_an_inquiry_moves_nothing(
    client: stripe.StripeClient, charge: stripe.Charge, sandbox: Sandbox
) -> None:
    dispute_id = sandbox.dispute(charge.id, inquiry=True)
    sandbox.close_dispute(dispute_id, won=True)
    dispute = client.v1.disputes.retrieve(dispute_id)
    assert (dispute.status, dispute.balance_transactions) == ("warning_closed", [])
    assert not sandbox.events("charge.dispute.funds_withdrawn", "charge.dispute.funds_reinstated")


def test_evidence(client: stripe.StripeClient, charge: stripe.Charge, sandbox: Sandbox) -> None:
    dispute_id = sandbox.dispute(charge.id)
    params: Any = {"evidence": {"uncategorized_text": "They used it."}}
    answered = client.v1.disputes.update(dispute_id, params)
    assert answered.status == "under_review"
    assert answered.evidence_details.has_evidence
    assert client.v1.disputes.list({"charge": charge.id}).data[0].id == dispute_id
