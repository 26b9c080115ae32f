from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from quickscale_credits import ledger
from quickscale_credits.models import CreditAccount
from quickscale_stripe import signals
from quickscale_stripe.billing import money_back
from quickscale_stripe.client import get_client
from quickscale_stripe.events import inbox, reconcile
from quickscale_stripe.models import Dispute, Payment, Refund, StripeEvent, StripePrice
from quickscale_stripe_sandbox import Sandbox
from tests.quickscale_stripe.hooks import use_hooks
from tests.quickscale_stripe.proof.world import World
from tests.quickscale_stripe.shopping import alter, balance, charge_of, intent_of, open_checkout

pytestmark = pytest.mark.django_db


@pytest.fixture
def paid(shop: Sandbox, owner: Any, package: StripePrice) -> Payment:
    """9.00 USD for 100 credits."""
    shop.pay(open_checkout(owner, package))
    shop.deliver()
    return Payment.objects.get()


def refund(shop: Sandbox, payment: Payment, amount: int) -> str:
    created = get_client().v1.refunds.create(
        {"charge": charge_of(payment), "amount": amount},
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


def test_events_of_refunds_that_come_twice_and_in_reverse_end_the_same(
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
    dispute = shop.dispute(charge_of(paid))
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
    dispute = shop.dispute(charge_of(paid))
    shop.deliver()
    used.reverse(40, reason="It failed")
    assert balance(owner) == 0

    shop.close_dispute(dispute, won=True)
    shop.deliver()
    assert balance(owner) == 40
    used.reverse(reason="It failed")
    assert balance(owner) == 100


def test_a_refund_finds_credits_that_were_transferred(
    shop: Sandbox, owner: Any, paid: Payment, make_owner: Any
) -> None:
    account = CreditAccount.objects.for_owner(owner)
    other = make_owner()
    account.consume_credits(30, "use")
    ledger.transfer(
        lot=account.lots.get(), to=CreditAccount.objects.for_owner(other), description="Merged"
    )
    dispute = shop.dispute(charge_of(paid))
    shop.deliver()
    assert (balance(owner), balance(other)) == (0, 0)
    assert Dispute.objects.get().credits_revoked == 100

    shop.close_dispute(dispute, won=True)
    shop.deliver()
    assert (balance(owner), balance(other)) == (0, 70)
    assert ledger.verify() == []


def test_a_lost_dispute_keeps_the_credits(shop: Sandbox, owner: Any, paid: Payment) -> None:
    dispute = shop.dispute(charge_of(paid))
    shop.close_dispute(dispute, won=False)
    shop.deliver()
    assert Dispute.objects.get().status == "lost"
    assert balance(owner) == 0


def test_an_inquiry_moves_nothing(shop: Sandbox, owner: Any, paid: Payment) -> None:
    shop.dispute(charge_of(paid), inquiry=True)
    shop.deliver()
    assert Dispute.objects.get().is_withdrawn is False
    assert balance(owner) == 100


def no_event_failed() -> bool:
    return not StripeEvent.objects.exclude(status__in=["processed", "ignored"]).exists()


def backwards(shop: Sandbox) -> None:
    shop.release(backwards=True)
    shop.deliver()
    assert no_event_failed()


def test_a_refund_before_its_payment_brings_it(
    shop: Sandbox, owner: Any, package: StripePrice
) -> None:
    shop.set_delivery("hold")
    session = open_checkout(owner, package)
    shop.pay(session)
    intent = get_client().v1.checkout.sessions.retrieve(session).payment_intent
    get_client().v1.refunds.create({"payment_intent": str(intent)}, {"idempotency_key": "early"})
    backwards(shop)
    assert Payment.objects.get().status == "refunded"
    assert balance(owner) == 0


@pytest.mark.parametrize(
    ("amount", "status", "left"), [(900, "refunded", 0), (450, "partially_refunded", 50)]
)
def test_a_refund_before_the_bank_confirms_ends_the_same(
    shop: Sandbox, owner: Any, package: StripePrice, amount: int, status: str, left: int
) -> None:
    shop.pay(open_checkout(owner, package), "bank_success")
    shop.deliver()
    pending = Payment.objects.get(status="pending")
    shop.set_delivery("hold")
    shop.settle(intent_of(pending))
    charge = get_client().v1.payment_intents.retrieve(intent_of(pending)).latest_charge
    shop.refund(str(charge), amount=amount)
    backwards(shop)
    payment = Payment.objects.get()
    assert (payment.status, payment.amount_refunded) == (status, amount)
    assert (payment.credits, balance(owner)) == (100, left)


def test_a_dispute_before_the_bank_confirms_ends_the_same(
    shop: Sandbox, owner: Any, package: StripePrice
) -> None:
    shop.pay(open_checkout(owner, package), "bank_success")
    shop.deliver()
    intent = intent_of(Payment.objects.get(status="pending"))
    shop.set_delivery("hold")
    shop.settle(intent)
    dispute = shop.dispute(str(get_client().v1.payment_intents.retrieve(intent).latest_charge))
    backwards(shop)
    assert (Payment.objects.get().status, balance(owner)) == ("disputed", 0)
    shop.close_dispute(dispute, won=True)
    backwards(shop)
    assert (Payment.objects.get().status, balance(owner)) == ("succeeded", 100)


def test_a_refund_before_a_failed_renewal_is_settled_ends_the_same(
    shop: Sandbox, owner: Any
) -> None:
    world = World(shop, owner)
    world.subscribe(method="renewal_declined")
    shop.advance(days=32)
    shop.deliver()
    failed = Payment.objects.get(status="failed")
    shop.set_delivery("hold")
    world.use_card()
    shop.advance(days=5)
    charge = world.charge(intent_of(failed))
    shop.refund(charge)
    backwards(shop)
    failed.refresh_from_db()
    assert (failed.status, failed.amount_refunded, failed.failure_message) == ("refunded", 1900, "")
    assert balance(owner) == 300


def test_a_refund_made_while_the_hook_failed_takes_the_credits_when_they_come(
    shop: Sandbox, owner: Any, package: StripePrice, settings: Any
) -> None:
    """Staff refund the buyer, and somebody replays the payment's event much later."""
    use_hooks(settings, fulfil=fail)
    shop.pay(open_checkout(owner, package))
    shop.deliver()
    late = Payment.objects.get()
    assert (late.status, late.is_late) == ("succeeded", True)
    refund(shop, late, 300)
    refund(shop, late, 600)
    assert (Payment.objects.get().status, balance(owner)) == ("refunded", 0)

    del settings.QUICKSCALE_STRIPE_FULFILMENT
    for event in StripeEvent.objects.filter(status="failed"):
        inbox.replay(event)
    assert no_event_failed()
    payment = Payment.objects.get()
    assert (payment.status, payment.is_late, payment.fulfilment_error) == ("refunded", False, "")
    assert payment.fulfilled_at
    taken = sorted(row.credits_revoked for row in Refund.objects.all())
    assert taken == pytest.approx([Decimal("33.3333"), Decimal("66.6666")], abs=Decimal("0.0001"))
    assert sum(taken) == 100
    assert balance(owner) == 0


def test_a_refund_finds_its_own_payment_when_the_hook_of_another_fails(
    shop: Sandbox, owner: Any, settings: Any
) -> None:
    """A plan change also records the payment that began its period if it is new here."""
    use_hooks(settings, fulfil=fail)
    shop.set_delivery("hold")
    world = World(shop, owner)
    world.change_in_portal(world.subscribe(), "Pro plan")
    change = get_client().v1.invoices.list().data[0]
    shop.refund(world.charge_of_invoice(change.id))
    shop.release(backwards=True)
    shop.deliver()
    assert Refund.objects.get().payment.invoice_id == change.id
    assert Payment.objects.filter(amount_refunded=0).count() == 1


def test_a_refund_is_kept_when_the_hook_that_takes_the_credits_fails(
    shop: Sandbox, owner: Any, paid: Payment, settings: Any
) -> None:
    use_hooks(settings, revoke=fail)
    refund(shop, paid, 450)
    paid.refresh_from_db()
    assert (paid.status, paid.amount_refunded) == ("partially_refunded", 450)
    assert (paid.fulfilment_error, paid.is_late) == ("RuntimeError: no", False)
    assert (Refund.objects.get().credits_revoked, balance(owner)) == (0, 100)

    del settings.QUICKSCALE_STRIPE_FULFILMENT
    for event in StripeEvent.objects.filter(status="failed"):
        inbox.replay(event)
    paid.refresh_from_db()
    assert (paid.fulfilment_error, balance(owner)) == ("", 50)


def fail(**facts: Any) -> None:
    raise RuntimeError("no")


def test_a_refund_of_a_charge_made_by_hand_is_ignored_with_the_reason(
    shop: Sandbox, owner: Any, paid: Payment
) -> None:
    """Staff made the charge in Stripe's dashboard, so it has no Checkout and no invoice."""
    params: Any = {
        "amount": 500, "currency": "usd", "customer": owner.stripe_customer.stripe_id,
        "confirm": True, "payment_method": "pm_card_visa",
        "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
    }  # fmt: skip
    charges = [
        str(get_client().v1.payment_intents.create(params, {"idempotency_key": key}).latest_charge)
        for key in ("one", "two")
    ]
    shop.refund(charges[0])
    shop.dispute(charges[1])
    shop.deliver()
    told = StripeEvent.objects.filter(type__in=["refund.created", "charge.dispute.created"])
    assert {event.status for event in told} == {"ignored"}
    assert {event.error for event in told} == {
        f"The charge {charge} was made by hand: it is for no invoice and no Checkout."
        for charge in charges
    }
    since = timezone.now() - timedelta(days=1)
    assert [one for one in reconcile.reconcile(since=since) if one.error] == []
    assert (Payment.objects.count(), Refund.objects.count(), Dispute.objects.count()) == (1, 0, 0)


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
    dispute = shop.dispute(charge_of(paid))
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


def test_a_refund_is_mirrored_with_all_that_stripe_says(
    shop: Sandbox, owner: Any, paid: Payment
) -> None:
    made = get_client().v1.refunds.create(
        {
            "charge": charge_of(paid), "amount": 300, "reason": "duplicate",
            "metadata": {"reference": "x" * 300},
        },
        {"idempotency_key": "test"},
    )  # fmt: skip
    row = money_back.sync_refund(made.id)
    assert row is not None
    assert (row.stripe_id, row.payment, row.charge_id) == (made.id, paid, charge_of(paid))
    assert (row.amount, row.currency, row.status) == (300, "usd", "succeeded")
    assert (row.reason, row.failure_reason, row.reference) == ("duplicate", "", "x" * 255)
    assert row.created_at == datetime.fromtimestamp(made.created, UTC)
    assert row.credits_revoked == Decimal("33.3333")

    alter(shop, "refund", made.id, status="failed", failure_reason="declined", metadata={})
    again = money_back.sync_refund(made.id)
    assert again is not None
    assert (again.pk, again.status, again.failure_reason) == (row.pk, "failed", "declined")
    assert again.reference == ""


def test_a_refund_may_lack_optional_fields(shop: Sandbox, owner: Any, paid: Payment) -> None:
    """Stripe's schema lets each be null; a refund without a status has not been made yet."""
    made = get_client().v1.refunds.create({"charge": charge_of(paid)}, {"idempotency_key": "test"})
    alter(shop, "refund", made.id, charge=None, reason=None, metadata=None, status=None)
    row = money_back.sync_refund(made.id)
    assert row is not None
    assert (row.charge_id, row.reason, row.reference, row.status) == ("", "", "", "pending")


def test_a_refund_without_an_intent_is_found_by_its_charge(
    shop: Sandbox, owner: Any, paid: Payment
) -> None:
    made = get_client().v1.refunds.create({"charge": charge_of(paid)}, {"idempotency_key": "test"})
    alter(shop, "refund", made.id, payment_intent=None)
    row = money_back.sync_refund(made.id)
    assert row is not None
    assert (row.payment, balance(owner)) == (paid, 0)


def test_a_refund_is_found_by_its_intent_alone(shop: Sandbox, owner: Any, paid: Payment) -> None:
    made = get_client().v1.refunds.create({"charge": charge_of(paid)}, {"idempotency_key": "test"})
    alter(shop, "refund", made.id, charge=None, customer=None)
    row = money_back.sync_refund(made.id)
    assert row is not None
    assert (row.payment, balance(owner)) == (paid, 0)


def test_a_refund_of_a_charge_that_is_unknown_here_and_names_no_intent_is_ignored(
    shop: Sandbox, owner: Any, paid: Payment
) -> None:
    """Without an intent no Checkout or invoice is found, and no other payment may be taken."""
    made = get_client().v1.refunds.create({"charge": charge_of(paid)}, {"idempotency_key": "test"})
    alter(shop, "refund", made.id, payment_intent=None)
    paid.charges.all().delete()
    assert money_back.sync_refund(made.id) is None
    assert not Refund.objects.exists()


def test_all_refunds_of_a_charge_and_no_others_are_synced_together(
    shop: Sandbox, owner: Any, package: StripePrice, paid: Payment
) -> None:
    shop.pay(open_checkout(owner, package, "second"))
    shop.deliver()
    other = Payment.objects.exclude(pk=paid.pk).get()
    get_client().v1.refunds.create({"charge": charge_of(other)}, {"idempotency_key": "other"})
    for amount in (100, 200):
        get_client().v1.refunds.create(
            {"charge": charge_of(paid), "amount": amount}, {"idempotency_key": f"test {amount}"}
        )
    money_back.sync_refunds_of(charge_of(paid))
    assert sorted(Refund.objects.values_list("amount", flat=True)) == [100, 200]
    paid.refresh_from_db()
    assert (paid.amount_refunded, balance(owner)) == (300, Decimal("166.6667"))


def test_a_dispute_is_mirrored_with_all_that_stripe_says(
    shop: Sandbox, owner: Any, paid: Payment
) -> None:
    made = get_client().v1.disputes.retrieve(shop.dispute(charge_of(paid)))
    row = money_back.sync_dispute(made.id)
    assert row is not None
    assert (row.stripe_id, row.payment, row.charge_id) == (made.id, paid, charge_of(paid))
    assert (row.amount, row.currency) == (900, "usd")
    assert (row.status, row.reason) == (made.status, made.reason)
    assert row.created_at == datetime.fromtimestamp(made.created, UTC)
    assert made.evidence_details.due_by
    assert row.evidence_due_by == datetime.fromtimestamp(made.evidence_details.due_by, UTC)
    assert (row.is_withdrawn, row.credits_revoked) == (True, 100)


def test_money_that_went_and_came_back_is_not_withdrawn(
    shop: Sandbox, owner: Any, paid: Payment
) -> None:
    """Stripe's movements may cancel each other out while the dispute goes on."""
    dispute = shop.dispute(charge_of(paid))
    with shop.world() as world:
        [move] = world.get("dispute", dispute)["balance_transactions"]
    back = move | {"amount": -move["amount"]}
    alter(shop, "dispute", dispute, balance_transactions=[move, back])
    row = money_back.sync_dispute(dispute)
    assert row is not None
    assert (row.is_withdrawn, balance(owner)) == (False, 100)


def test_a_change_of_a_dispute_is_announced_with_the_status_before(
    shop: Sandbox, owner: Any, paid: Payment, django_capture_on_commit_callbacks: Any
) -> None:
    told = []

    def note(sender: Any, dispute: Dispute, previous_status: str, **kwargs: Any) -> None:
        told.append((sender, dispute.stripe_id, previous_status, dispute.status))

    signals.dispute_changed.connect(note)
    dispute = shop.dispute(charge_of(paid))
    with django_capture_on_commit_callbacks(execute=True):
        money_back.sync_dispute(dispute)
    shop.close_dispute(dispute, won=True)
    with django_capture_on_commit_callbacks(execute=True):
        money_back.sync_dispute(dispute)
    signals.dispute_changed.disconnect(note)
    assert told == [
        (Dispute, dispute, "", "needs_response"),
        (Dispute, dispute, "needs_response", "won"),
    ]


@contextmanager
def database_clock_at(moment: datetime) -> Iterator[None]:
    """Make the database return this as its current time."""

    def answer(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql == "SELECT clock_timestamp()":
            sql, params = "SELECT %s::timestamptz", [moment]
        return execute(sql, params, many, context)

    with connection.execute_wrapper(answer):
        yield


@pytest.mark.parametrize("kind", ["refund", "dispute"])
def test_what_stripe_said_earlier_does_not_replace_what_it_said_later(
    shop: Sandbox, owner: Any, paid: Payment, kind: str
) -> None:
    """Two workers may fetch in one order and write in the other; of equal times the later wins."""
    moment = timezone.now()
    if kind == "refund":
        object_id = get_client().v1.refunds.create(
            {"charge": charge_of(paid), "amount": 300}, {"idempotency_key": "test"}
        ).id  # fmt: skip
        sync: Any = money_back.sync_refund
        states = ("requires_action", "pending", "succeeded")
    else:
        object_id = shop.dispute(charge_of(paid))
        sync = money_back.sync_dispute
        states = ("under_review", "lost", "needs_response")
    for state, instant, known in (
        (states[0], moment, states[0]),
        (states[1], moment, states[1]),
        (states[2], moment - timedelta(microseconds=1), states[1]),
        (states[2], moment + timedelta(microseconds=1), states[2]),
    ):
        alter(shop, kind, object_id, status=state)
        with database_clock_at(instant):
            row = sync(object_id)
        assert row is not None
        assert row.status == known
    assert row.synced_at == moment + timedelta(microseconds=1)


def test_a_refund_of_another_site_s_customer_is_ignored_though_its_charge_is_of_a_checkout(
    shop: Sandbox, owner: Any, package: StripePrice
) -> None:
    shop.pay(open_checkout(owner, package))
    [session] = get_client().v1.checkout.sessions.list().data
    made = get_client().v1.refunds.create(
        {"payment_intent": str(session.payment_intent)}, {"idempotency_key": "test"}
    )
    alter(shop, "refund", made.id, customer="cus_of_nobody_here")
    assert money_back.sync_refund(made.id) is None
    assert not Payment.objects.exists()


def test_a_refund_brings_the_payment_of_its_own_checkout_alone(
    shop: Sandbox, owner: Any, package: StripePrice
) -> None:
    for reference in ("first", "second"):
        shop.pay(open_checkout(owner, package, reference))
    newest, oldest = get_client().v1.checkout.sessions.list().data
    made = get_client().v1.refunds.create(
        {"payment_intent": str(oldest.payment_intent)}, {"idempotency_key": "test"}
    )
    row = money_back.sync_refund(made.id)
    assert row is not None
    assert Payment.objects.get().checkout_session_id == oldest.id != newest.id
    assert (row.payment.status, row.credits_revoked) == ("refunded", 100)


def test_a_refund_brings_the_payment_of_its_own_invoice_alone(shop: Sandbox, owner: Any) -> None:
    world = World(shop, owner)
    world.subscribe()
    shop.advance(days=32)
    newest, oldest = get_client().v1.invoices.list().data
    for invoice in (oldest, newest):
        made = get_client().v1.refunds.create(
            {"charge": world.charge_of_invoice(invoice.id)}, {"idempotency_key": invoice.id}
        )
        row = money_back.sync_refund(made.id)
        assert row is not None
        assert row.payment.invoice_id == invoice.id
    assert Payment.objects.count() == 2


def test_a_dispute_before_its_payment_brings_it(
    shop: Sandbox, owner: Any, package: StripePrice
) -> None:
    shop.pay(open_checkout(owner, package))
    [session] = get_client().v1.checkout.sessions.list().data
    intent = get_client().v1.payment_intents.retrieve(str(session.payment_intent))
    row = money_back.sync_dispute(shop.dispute(str(intent.latest_charge)))
    assert row is not None
    assert (row.payment.checkout_session_id, row.is_withdrawn) == (session.id, True)
    assert balance(owner) == 0


@pytest.mark.parametrize("kind", ["checkout", "invoice"])
def test_a_refund_that_names_its_intent_alone_brings_its_payment(
    shop: Sandbox, owner: Any, package: StripePrice, kind: str
) -> None:
    world = World(shop, owner)
    if kind == "checkout":
        charge = world.charge(world.buy())
    else:
        world.subscribe()
        charge = world.charge_of_invoice(get_client().v1.invoices.list().data[0].id)
    made = get_client().v1.refunds.create({"charge": charge}, {"idempotency_key": "test"})
    alter(shop, "refund", made.id, charge=None)
    row = money_back.sync_refund(made.id)
    assert row is not None
    assert (row.payment, row.credits_revoked) == (Payment.objects.get(), row.payment.credits)
    assert balance(owner) == 0


@pytest.mark.parametrize("kind", ["checkout", "invoice"])
def test_a_refund_that_names_its_charge_alone_brings_its_payment_that_was_not_paid_yet(
    shop: Sandbox, owner: Any, package: StripePrice, kind: str
) -> None:
    world = World(shop, owner)
    if kind == "checkout":
        intent = world.buy("bank_success")
        shop.deliver()
        charge = charge_of(Payment.objects.get(status="pending"))
        shop.settle(intent)
    else:
        invoice = world.failed_renewal()
        charge = world.pay_part(invoice, 400)
        shop.deliver()
        assert Payment.objects.get(invoice_id=invoice).status == "failed"
        world.pay_rest(invoice)
    assert charge
    made = get_client().v1.refunds.create({"charge": charge}, {"idempotency_key": "test"})
    alter(shop, "refund", made.id, payment_intent=None)
    row = money_back.sync_refund(made.id)
    assert row is not None
    assert row.payment.charges.filter(charge_id=charge).exists()
    assert (row.payment.is_paid, row.payment.amount_refunded) == (True, made.amount)
    assert row.credits_revoked > 0
