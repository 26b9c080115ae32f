"""How an invoice becomes a payment; each is synced as its events would do it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
import stripe
from django.core import mail
from django.test import Client
from django.urls import reverse

from quickscale_credits.models import CreditAccount, CreditLot
from quickscale_stripe import signals
from quickscale_stripe.billing import invoices, plan_changes, sessions
from quickscale_stripe.client import get_client
from quickscale_stripe.exceptions import FulfilmentFailedError, HookFailedError, NotOursError
from quickscale_stripe.models import Payment, StripeCustomer, StripePrice, Subscription
from quickscale_stripe_sandbox import Sandbox
from tests.markup import words
from tests.owners import make_owner
from tests.quickscale_stripe.hooks import use_hooks
from tests.quickscale_stripe.proof.world import World
from tests.quickscale_stripe.shopping import alter, balance, open_checkout

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(shop: Sandbox, owner: Any) -> World:
    return World(shop, owner)


@pytest.fixture
def first(world: World) -> stripe.Invoice:
    """The paid first invoice of a subscription, which the site has not synced yet."""
    world.subscribe()
    [invoice] = get_client().v1.invoices.list().data
    return invoice


def moment(seconds: int | None) -> datetime:
    return datetime.fromtimestamp(seconds or 0, UTC)


def synced(invoice_id: str) -> Payment:
    payment = invoices.sync(invoice_id)
    assert payment is not None
    return payment


def fail(**facts: Any) -> None:
    raise RuntimeError("no")


def test_an_invoice_becomes_a_payment_with_all_that_stripe_says(
    world: World, first: stripe.Invoice
) -> None:
    payment = synced(first.id)
    assert (payment.invoice_id, payment.owner) == (first.id, world.owner)
    assert (payment.kind, payment.description) == ("subscription", "Basic plan")
    assert payment.price == world.price("Basic plan")
    assert payment.subscription == Subscription.objects.get()
    assert (payment.total, payment.amount, payment.tax) == (1900, 1900, 0)
    assert (payment.currency, payment.credits, payment.livemode) == ("usd", 300, False)
    assert payment.created_at == moment(first.created)
    assert payment.paid_at == moment(first.status_transitions.paid_at)
    assert payment.invoice_url == first.hosted_invoice_url
    assert payment.invoice_pdf == first.invoice_pdf
    assert payment.receipt_details["lines"]
    assert payment.charges.get().amount == 1900
    assert (payment.status, payment.failure_message) == ("succeeded", "")
    assert balance(world.owner) == 300


def test_an_invoice_may_lack_optional_fields(world: World, first: stripe.Invoice) -> None:
    """Stripe's schema lets each of them be null."""
    with world.sandbox.world() as state:
        times = state.get("invoice", first.id)["status_transitions"] | {"paid_at": None}
    alter(
        world.sandbox, "invoice", first.id, hosted_invoice_url=None, invoice_pdf=None,
        total_taxes=None, status_transitions=times,
    )  # fmt: skip
    payment = synced(first.id)
    assert (payment.invoice_url, payment.invoice_pdf, payment.tax) == ("", "", 0)
    assert payment.paid_at == moment(first.created)


def test_taxes_are_added_up(world: World, first: stripe.Invoice) -> None:
    tax = {
        "amount": 100, "tax_behavior": "inclusive", "tax_rate_details": None,
        "taxability_reason": "standard_rated", "taxable_amount": 1800, "type": "tax_rate_details",
    }  # fmt: skip
    alter(world.sandbox, "invoice", first.id, total_taxes=[tax, tax | {"amount": 20}])
    assert synced(first.id).tax == 120


def test_an_invoice_of_the_other_mode_is_ignored(
    world: World, first: stripe.Invoice, settings: Any
) -> None:
    settings.QUICKSCALE_STRIPE_LIVE_MODE = True
    assert invoices.sync(first.id) is None
    with pytest.raises(NotOursError):
        invoices.prepare_problem(first.id, "payment_failed")
    assert not Payment.objects.exists()


def test_an_invoice_is_found_by_its_metadata_or_by_its_customer(
    world: World, first: stripe.Invoice
) -> None:
    StripeCustomer.objects.update(stripe_id="cus_another")
    assert synced(first.id).owner == world.owner
    StripeCustomer.objects.all().delete()
    assert invoices.sync(first.id) is None


def manual(world: World, **fields: Any) -> str:
    """Make an invoice without a subscription, as staff can in Stripe's dashboard."""
    customer = world.owner.stripe_customer.stripe_id
    client = get_client().v1
    client.invoice_items.create(
        {"customer": customer, "amount": 500, "currency": "usd", "description": "Training"}
    )
    invoice = client.invoices.create(
        {"customer": customer, "pending_invoice_items_behavior": "include"},
        {"idempotency_key": "manual"},
    )
    return invoice.id


def test_a_draft_is_not_a_payment_yet(world: World, first: stripe.Invoice) -> None:
    synced(first.id)
    assert invoices.sync(manual(world)) is None
    assert Payment.objects.count() == 1


def test_an_invoice_about_no_plan_is_a_payment_that_brings_nothing(
    world: World, first: stripe.Invoice
) -> None:
    synced(first.id)
    invoice_id = manual(world)
    get_client().v1.invoices.finalize_invoice(invoice_id, {}, {"idempotency_key": "finalize"})
    due = synced(invoice_id)
    assert (due.status, due.kind, due.price, due.subscription) == ("pending", "invoice", None, None)
    assert (due.amount, due.total, due.credits, due.owner) == (500, 500, 0, world.owner)
    number = get_client().v1.invoices.retrieve(invoice_id).number
    assert number
    assert due.description == number

    get_client().v1.invoices.pay(
        invoice_id, {"payment_method": "pm_card_visa"}, {"idempotency_key": "pay"}
    )
    # The other invoice must not correct this.
    Payment.objects.filter(invoice_id=first.id).update(credits=400)
    paid = synced(invoice_id)
    assert (paid.pk, paid.status, paid.amount) == (due.pk, "succeeded", 500)
    assert (paid.credits_taken, balance(world.owner)) == (0, 300)


def test_an_invoice_without_a_number_or_a_reason_has_no_description(
    world: World, first: stripe.Invoice
) -> None:
    synced(first.id)
    invoice_id = manual(world)
    get_client().v1.invoices.finalize_invoice(invoice_id, {}, {"idempotency_key": "finalize"})
    alter(world.sandbox, "invoice", invoice_id, number=None, billing_reason=None)
    due = synced(invoice_id)
    assert (due.kind, due.description) == ("invoice", "")


def test_an_invoice_paid_outside_of_stripe_has_no_amount(
    world: World, first: stripe.Invoice
) -> None:
    synced(first.id)
    invoice_id = manual(world)
    get_client().v1.invoices.pay(
        invoice_id, {"paid_out_of_band": True}, {"idempotency_key": "elsewhere"}
    )
    payment = synced(invoice_id)
    assert (payment.status, payment.amount, payment.total) == ("succeeded", 0, 500)


def test_each_intent_has_the_amount_that_it_paid(world: World) -> None:
    invoice_id = world.failed_renewal()
    world.pay_part(invoice_id, 400)
    open_ = synced(invoice_id)
    assert (open_.status, open_.amount) == ("failed", 1900)
    assert sorted(charge.amount for charge in open_.charges.all()) == [0, 400]
    world.pay_rest(invoice_id)
    paid = synced(invoice_id)
    assert (paid.status, paid.amount, paid.credits) == ("succeeded", 1900, 300)
    assert sorted(charge.amount for charge in paid.charges.all()) == [400, 1500]


def test_a_renewal_by_bank_debit_is_on_its_way_until_the_bank_answers(
    world: World, buyer: Client, django_capture_on_commit_callbacks: Any
) -> None:
    invoice_id = world.failed_renewal()
    [part] = get_client().v1.invoice_payments.list({"invoice": invoice_id}).data
    intent = str(part.payment.payment_intent)
    alter(world.sandbox, "payment_intent", intent, status="processing", last_payment_error=None)
    with django_capture_on_commit_callbacks(execute=True):
        waiting = synced(invoice_id)
    assert (waiting.status, waiting.failure_message, mail.outbox) == ("pending", "", [])
    page = words(buyer.get(reverse("quickscale_stripe:payment", kwargs={"pk": waiting.pk})).text)
    assert "Processing" in page

    alter(world.sandbox, "payment_intent", intent, status="requires_payment_method")
    with django_capture_on_commit_callbacks(execute=True):
        assert synced(invoice_id).status == "failed"
    [told] = mail.outbox
    assert "did not go through" in told.subject


def test_a_failed_renewal_is_announced_once_with_the_bank_s_reason(
    world: World, django_capture_on_commit_callbacks: Any
) -> None:
    told: list[Any] = []

    def note(sender: Any, payment: Payment, **kwargs: Any) -> None:
        told.append((sender, payment.invoice_id))

    signals.payment_failed.connect(note)
    invoice_id = world.failed_renewal()
    with django_capture_on_commit_callbacks(execute=True):
        failed = synced(invoice_id)
    assert (failed.status, failed.amount) == ("failed", 1900)
    assert "declined" in failed.failure_message
    assert told == [(Payment, invoice_id)]
    with django_capture_on_commit_callbacks(execute=True):
        synced(invoice_id)
    assert len(told) == 1

    alter(world.sandbox, "invoice", invoice_id, attempted=False)
    with django_capture_on_commit_callbacks(execute=True):
        again = synced(invoice_id)
    assert (again.status, again.failure_message) == ("pending", "")
    assert len(told) == 1
    for status in ("void", "uncollectible"):
        alter(world.sandbox, "invoice", invoice_id, attempted=False, status=status)
        with django_capture_on_commit_callbacks(execute=True):
            closed = synced(invoice_id)
        assert closed.status == "failed"
    signals.payment_failed.disconnect(note)
    assert len(told) == 1


def test_the_invoice_of_a_checkout_belongs_to_its_payment(
    world: World, package: StripePrice
) -> None:
    """One-time Checkouts may have invoices, but the Checkout brings the credits."""
    world.sandbox.pay(open_checkout(world.owner, package))
    world.sandbox.deliver()
    bought = Payment.objects.get()
    invoice_id = manual(world)
    get_client().v1.invoices.pay(
        invoice_id, {"payment_method": "pm_card_visa"}, {"idempotency_key": "pay"}
    )
    [of_invoice] = get_client().v1.invoice_payments.list({"invoice": invoice_id}).data
    bought.charges.update(payment_intent_id=str(of_invoice.payment.payment_intent))
    payment = synced(invoice_id)
    assert (payment, payment.invoice_id) == (bought, invoice_id)
    assert (payment.amount, payment.kind, payment.charges.count()) == (900, "one_time", 1)
    assert (Payment.objects.count(), balance(world.owner)) == (1, 100)


@pytest.mark.parametrize("status", ["draft", "open"])
def test_a_problem_of_an_invoice_is_announced_and_recorded_unless_it_is_a_draft(
    world: World, first: stripe.Invoice, status: str, django_capture_on_commit_callbacks: Any
) -> None:
    told: list[Any] = []

    def note(sender: Any, invoice_id: str, problem: str, owner: Any, **kwargs: Any) -> None:
        told.append((sender, invoice_id, problem, owner))

    signals.invoice_problem.connect(note)
    synced(first.id)
    invoice_id = manual(world)
    if status == "open":
        get_client().v1.invoices.finalize_invoice(invoice_id, {}, {"idempotency_key": "finalize"})
    with django_capture_on_commit_callbacks(execute=True):
        invoices.prepare_problem(invoice_id, "finalization_failed")()
    signals.invoice_problem.disconnect(note)
    assert told == [(Payment, invoice_id, "finalization_failed", world.owner)]
    assert Payment.objects.filter(invoice_id=invoice_id).exists() == (status == "open")


def test_a_hook_that_failed_is_tried_again_with_the_next_sync(
    world: World, first: stripe.Invoice, settings: Any
) -> None:
    use_hooks(settings, fulfil=fail)
    with pytest.raises(FulfilmentFailedError, match="RuntimeError: no"):
        invoices.sync(first.id)
    assert (Payment.objects.get().is_late, balance(world.owner)) == (True, 0)
    del settings.QUICKSCALE_STRIPE_FULFILMENT
    assert (synced(first.id).is_late, balance(world.owner)) == (False, 300)


def test_a_refund_s_hook_that_failed_is_tried_again_with_the_next_sync(
    world: World, first: stripe.Invoice, settings: Any
) -> None:
    payment = synced(first.id)
    use_hooks(settings, revoke=fail)
    world.sandbox.refund(payment.charges.get().charge_id)
    world.sandbox.deliver()
    payment.refresh_from_db()
    assert (payment.fulfilment_error, balance(world.owner)) == ("RuntimeError: no", 300)
    with pytest.raises(FulfilmentFailedError):
        invoices.sync(first.id)
    del settings.QUICKSCALE_STRIPE_FULFILMENT
    assert (synced(first.id).fulfilment_error, balance(world.owner)) == ("", 0)


def upgrade_in_portal(world: World) -> tuple[stripe.Invoice, stripe.Invoice]:
    """Subscribe to the Basic plan and change to the Pro plan; return the invoices."""
    world.change_in_portal(world.subscribe(), "Pro plan")
    change, begin = get_client().v1.invoices.list().data
    return begin, change


def test_a_change_of_plan_brings_the_payment_before_it_and_what_it_adds(world: World) -> None:
    begin, change = upgrade_in_portal(world)
    payment = synced(change.id)
    assert (payment.invoice_id, payment.kind) == (change.id, "plan_change")
    assert (payment.price, payment.credits) == (world.price("Pro plan"), 700)
    before = Payment.objects.get(invoice_id=begin.id)
    assert (before.kind, before.credits, before.is_paid) == ("subscription", 300, True)
    assert (before.price, before.description) == (world.price("Basic plan"), "Basic plan")
    lot = CreditLot.objects.get(source_id__startswith=f"{change.id}:", credit_type="subscription")
    assert lot.amount == 700
    assert lot.expires_at == Subscription.objects.get().current_period_end
    assert balance(world.owner) == 1000
    assert synced(change.id).pk == payment.pk
    assert (Payment.objects.count(), balance(world.owner)) == (2, 1000)


def test_a_change_of_plan_that_is_not_paid_brings_nothing(world: World) -> None:
    """Otherwise a declined card would turn left-over credits into permanent ones."""
    begin, change = upgrade_in_portal(world)
    alter(world.sandbox, "invoice", change.id, status="open")
    payment = synced(change.id)
    assert (payment.kind, payment.credits) == ("plan_change", 0)
    assert (payment.price, payment.description) == (world.price("Pro plan"), "Pro plan")
    assert (payment.is_paid, payment.fulfilled_at) == (False, None)
    synced(begin.id)
    types = CreditAccount.objects.for_owner(world.owner).get_balance_by_type()
    assert {kind: amount for kind, amount in types.items() if amount} == {"subscription": 300}


def test_a_change_that_gives_money_back_takes_the_excess_of_the_period(
    world: World,
) -> None:
    subscription = world.subscribe("Pro plan")
    world.change_in_portal(subscription, "Basic plan")
    change, begin = get_client().v1.invoices.list().data
    payment = synced(change.id)
    assert (payment.kind, payment.credits, payment.credits_taken) == ("plan_change", 0, 700)
    assert (payment.total < 0, payment.amount) == (True, 0)
    assert balance(world.owner) == 300
    assert Payment.objects.get(invoice_id=begin.id).credits == 1000


def test_a_hook_may_return_how_many_it_took_and_none_means_all(world: World, settings: Any) -> None:
    calls: list[dict[str, Any]] = []

    def took(**facts: Any) -> Any:
        calls.append(facts)
        return answers.pop()

    use_hooks(settings, change_plan=took)
    answers = [Decimal(5)]
    subscription = world.subscribe("Pro plan")
    world.change_in_portal(subscription, "Basic plan")
    change, begin = get_client().v1.invoices.list().data
    assert synced(change.id).credits_taken == 5
    [facts] = calls
    assert facts["payment"].invoice_id == change.id
    assert [one.invoice_id for one in facts["before"]] == [begin.id]
    assert (facts["excess"], facts["returned"], facts["paid_share"]) == (700, 1000, 0)

    answers = [None]
    Payment.objects.filter(invoice_id=change.id).update(fulfilled_at=None, credits_taken=0)
    assert synced(change.id).credits_taken == 700


def test_the_hook_of_an_upgrade_knows_what_was_paid_of_a_whole_period(
    world: World, settings: Any
) -> None:
    calls: list[dict[str, Any]] = []
    use_hooks(settings, change_plan=lambda **facts: calls.append(facts))
    subscription = world.subscribe()
    item = get_client().v1.subscriptions.retrieve(subscription).items.data[0]
    half = (item.current_period_end - item.current_period_start) // 2
    world.sandbox.advance(seconds=half)
    world.change_in_portal(subscription, "Pro plan")
    change = get_client().v1.invoices.list().data[0]
    payment = synced(change.id)
    assert payment.total == pytest.approx(1500, abs=2)
    [facts] = calls
    assert (facts["excess"], facts["returned"]) == (0, 0)
    assert facts["paid_share"] == Decimal(payment.total) / 3000
    assert payment.credits == pytest.approx(350, abs=1)


def test_tax_is_not_what_was_paid_for_credits(world: World, settings: Any) -> None:
    calls: list[dict[str, Any]] = []
    use_hooks(settings, change_plan=lambda **facts: calls.append(facts))
    _begin, change = upgrade_in_portal(world)
    tax = {
        "amount": 1500, "tax_behavior": "inclusive", "tax_rate_details": None,
        "taxability_reason": "standard_rated", "taxable_amount": 1500, "type": "tax_rate_details",
    }  # fmt: skip
    alter(world.sandbox, "invoice", change.id, total_taxes=[tax])
    payment = synced(change.id)
    assert (payment.total, payment.tax) == (pytest.approx(3000, abs=1), 1500)
    assert calls[0]["paid_share"] == Decimal(payment.total - 1500) / 3000


def test_a_preview_says_what_the_change_will_bring(world: World) -> None:
    row = world.known(world.subscribe())
    world.sandbox.deliver()
    shown = plan_changes.preview(subscription=row, price=world.price("Pro plan"))
    [latest] = get_client().v1.invoices.list().data
    change = get_client().v1.invoices.create_preview(
        {
            "subscription": row.stripe_id,
            "subscription_details": {
                "items": [
                    {
                        "id": get_client()
                        .v1.subscriptions.retrieve(row.stripe_id)
                        .items.data[0]
                        .id,
                        "price": world.price("Pro plan").stripe_id,
                    }
                ],
                "proration_behavior": "always_invoice",
            },
        }
    )
    foreseen = invoices.foresee(change, latest.id, [])
    assert [one.invoice_id for one in foreseen.before] == [latest.id]
    assert foreseen.credits == shown.credits == 700
    assert foreseen.paid_share == Decimal(change.total) / 3000 > Decimal("0.9")
    change.total_taxes = [SimpleNamespace(amount=1000), SimpleNamespace(amount=500)]  # type: ignore[list-item]
    assert invoices.foresee(change, latest.id, []).paid_share == Decimal(change.total - 1500) / 3000
    Payment.objects.update(credits=5000)
    assert invoices.foresee(change, latest.id, []).credits == 0


def test_a_period_that_is_paid_after_a_change_within_it_brings_both(world: World) -> None:
    """The renewal fails, the plan is changed and paid for, and then the renewal is paid."""
    world.subscribe(method="renewal_declined")
    world.sandbox.deliver()
    world.sandbox.advance(days=32)
    world.sandbox.deliver()
    renewal = get_client().v1.invoices.list().data[0]
    assert renewal.status == "open"
    world.use_card()
    world.change_in_portal(Subscription.objects.get().stripe_id, "Pro plan")
    world.sandbox.deliver()
    change = Payment.objects.get(kind="plan_change")
    assert change.is_paid
    world.pay_rest(renewal.id)
    late = synced(renewal.id)
    assert late.is_paid
    change.refresh_from_db()
    brought = late.credits + change.credits - late.credits_taken - change.credits_taken
    # 300 of the whole period, and 700 for the 29 of its 31 days that the change was paid for.
    assert brought == pytest.approx(955, abs=2)


def test_a_period_that_is_paid_after_the_end_follows_the_policy_of_the_end(
    world: World, first: stripe.Invoice, settings: Any
) -> None:
    """This works without the subscription's own event, which may come later or be lost."""
    settings.QUICKSCALE_STRIPE_ENDED_POLICY = "expire"
    [subscription] = get_client().v1.subscriptions.list().data
    get_client().v1.subscriptions.cancel(subscription.id)
    assert synced(first.id).credits == 300
    assert balance(world.owner) == 0


def test_a_failing_hook_of_the_end_fails_the_sync_and_keeps_the_payment(
    world: World, first: stripe.Invoice, settings: Any
) -> None:
    use_hooks(settings, end_subscription=fail)
    [subscription] = get_client().v1.subscriptions.list().data
    get_client().v1.subscriptions.cancel(subscription.id)
    with pytest.raises(HookFailedError, match="RuntimeError: no"):
        invoices.sync(first.id)
    assert (Payment.objects.get().is_paid, balance(world.owner)) == (True, 300)


def test_an_invoice_takes_over_no_payment_of_another_intent_or_invoice(
    world: World, first: stripe.Invoice, package: StripePrice
) -> None:
    bought = sessions.sync(pay_checkout(world, package))
    assert bought is not None
    of_first = synced(first.id)
    bought.refresh_from_db()
    assert (bought.invoice_id, of_first.invoice_id) == (None, first.id)

    invoice_id = manual(world)
    get_client().v1.invoices.pay(
        invoice_id, {"payment_method": "pm_card_visa"}, {"idempotency_key": "pay"}
    )
    [part] = get_client().v1.invoice_payments.list({"invoice": invoice_id}).data
    of_first.charges.update(payment_intent_id=str(part.payment.payment_intent))
    assert synced(invoice_id).pk not in (bought.pk, of_first.pk)
    of_first.refresh_from_db()
    assert of_first.invoice_id == first.id


def pay_checkout(world: World, package: StripePrice) -> str:
    session = open_checkout(world.owner, package)
    world.sandbox.pay(session)
    return session


@pytest.fixture
def calls(settings: Any) -> list[tuple[str, dict[str, Any]]]:
    """The calls of the hooks with their arguments, in order."""
    seen: list[tuple[str, dict[str, Any]]] = []
    use_hooks(settings, fulfil=lambda **facts: seen.append(("fulfil", facts)))
    use_hooks(settings, change_plan=lambda **facts: seen.append(("change_plan", facts)))
    return seen


def test_the_hook_of_a_period_gets_the_plan_and_the_time_that_were_paid_for(
    world: World, first: stripe.Invoice, calls: list[tuple[str, dict[str, Any]]]
) -> None:
    payment = synced(first.id)
    [line] = first.lines.data
    assert calls == [
        (
            "fulfil",
            {
                "owner": world.owner, "payment": payment, "price": world.price("Basic plan"),
                "amount": 300, "source": ("invoice", f"{first.id}:{line.id}"),
                "period": (moment(line.period.start), moment(line.period.end)),
            },
        )
    ]  # fmt: skip


@pytest.mark.parametrize(("had", "gain"), [(1000, 0), (999, 1)])
def test_a_change_of_plan_brings_what_is_missing_if_anything(
    world: World, calls: list[tuple[str, dict[str, Any]]], had: int, gain: int
) -> None:
    begin, change = upgrade_in_portal(world)
    synced(begin.id)
    Payment.objects.update(credits=had)
    calls.clear()
    assert synced(change.id).credits == gain
    assert [name for name, _facts in calls] == ["change_plan", "fulfil"][: 2 * gain]
    assert [facts["amount"] for name, facts in calls if name == "fulfil"] == [1] * gain


def test_what_was_taken_beyond_the_excess_is_brought_again(
    world: World, calls: list[tuple[str, dict[str, Any]]], settings: Any
) -> None:
    """Future months go with their money, and the new plan brings their value in its credits."""
    asked: list[Any] = []

    def take(**facts: Any) -> Decimal:
        asked.append(facts["excess"])
        return Decimal(900)

    use_hooks(settings, change_plan=take)
    world.change_in_portal(world.subscribe("Pro plan"), "Basic plan")
    change, _begin = get_client().v1.invoices.list().data
    payment = synced(change.id)
    assert (payment.credits_taken, payment.credits) == (900, 200)
    assert [facts["amount"] for _name, facts in calls] == [1000, 200]
    assert calls[1][1]["price"] == world.price("Basic plan")
    assert asked == [700]


def test_one_credit_too_many_is_taken_back(world: World) -> None:
    world.change_in_portal(world.subscribe("Pro plan"), "Basic plan")
    change, begin = get_client().v1.invoices.list().data
    synced(begin.id)
    Payment.objects.update(credits=301)
    assert synced(change.id).credits_taken == 1


def test_what_a_change_took_counts_as_not_brought(world: World) -> None:
    subscription = world.subscribe("Pro plan")
    for plan in ("Basic plan", "Pro plan"):
        world.change_in_portal(subscription, plan)
        payment = synced(get_client().v1.invoices.list().data[0].id)
    assert (payment.credits, payment.credits_taken) == (700, 0)
    assert balance(world.owner) == 1000


def late_renewal(world: World, plan: str, then: str) -> str:
    """Let a renewal fail, change the plan, and pay the renewal's invoice; return the invoice."""
    world.subscribe(plan, method="renewal_declined")
    world.sandbox.deliver()
    world.sandbox.advance(days=32)
    world.sandbox.deliver()
    renewal = get_client().v1.invoices.list().data[0]
    assert renewal.status == "open"
    world.use_card()
    world.change_in_portal(Subscription.objects.get().stripe_id, then)
    world.sandbox.deliver()
    world.pay_rest(renewal.id)
    return renewal.id


def test_a_period_that_is_paid_after_a_change_to_less_brings_no_more_than_that(
    world: World,
) -> None:
    late = synced(late_renewal(world, "Pro plan", "Basic plan"))
    assert (late.credits, late.credits_taken) == (1000, pytest.approx(655, abs=2))


def test_the_excess_of_the_changes_within_a_late_period_is_taken_with_it(world: World) -> None:
    renewal = late_renewal(world, "Basic plan", "Pro plan")
    change = Payment.objects.get(kind="plan_change")
    Payment.objects.filter(pk=change.pk).update(credits=change.credits + 100)
    late = synced(renewal)
    assert (late.credits, late.credits_taken) == (300, 100)


def test_changes_that_are_all_new_here_are_recorded_one_after_the_other(world: World) -> None:
    subscription = world.subscribe()
    for plan in ("Pro plan", "Basic plan"):
        world.change_in_portal(subscription, plan)
    less, more, begin = (invoice.id for invoice in get_client().v1.invoices.list().data)
    assert synced(less).credits_taken == 700
    brought = dict(Payment.objects.values_list("invoice_id", "credits"))
    assert brought == {begin: 300, more: 700, less: 0}
    assert balance(world.owner) == 300


def test_a_period_whose_hook_failed_is_tried_again_by_the_change_after_it(
    world: World, settings: Any
) -> None:
    begin, change = upgrade_in_portal(world)
    use_hooks(settings, fulfil=fail)
    with pytest.raises(FulfilmentFailedError):
        invoices.sync(begin.id)
    del settings.QUICKSCALE_STRIPE_FULFILMENT
    assert synced(change.id).credits == 700
    assert not Payment.objects.get(invoice_id=begin.id).is_late
    assert balance(world.owner) == 1000


def test_a_change_brings_no_payment_of_an_unpaid_period(world: World) -> None:
    world.failed_renewal()
    world.use_card()
    [subscription] = get_client().v1.subscriptions.list().data
    world.change_in_portal(subscription.id, "Pro plan")
    change = get_client().v1.invoices.list().data[0]
    synced(change.id)
    assert [payment.invoice_id for payment in Payment.objects.all()] == [change.id]


def test_changes_of_other_subscriptions_do_not_belong_to_a_late_period(world: World) -> None:
    renewal = late_renewal(world, "Pro plan", "Basic plan")
    other = World(world.sandbox, make_owner("bob@example.com"))
    other.change_in_portal(other.subscribe(), "Pro plan")
    assert synced(get_client().v1.invoices.list().data[0].id).owner == other.owner
    assert synced(renewal).credits_taken == pytest.approx(655, abs=2)


def test_a_later_renewal_is_not_a_change_of_a_late_period(world: World) -> None:
    renewal = late_renewal(world, "Pro plan", "Basic plan")
    later = Payment.objects.get(kind="plan_change")
    later.pk, later.kind, later.invoice_id = None, "subscription", "in_later"
    later.receipt_number = "R-later"
    later.created_at += timedelta(days=40)
    later.save()
    assert synced(renewal).credits_taken == pytest.approx(655, abs=2)


def test_a_change_within_another_period_takes_nothing_of_a_late_one(world: World) -> None:
    subscription = world.subscribe("Pro plan")
    world.known(subscription)
    begin = get_client().v1.invoices.list().data[0]
    world.sandbox.advance(days=32)
    world.change_in_portal(subscription, "Basic plan")
    change = synced(get_client().v1.invoices.list().data[0].id)
    assert change.kind == Payment.Kind.PLAN_CHANGE
    late = synced(begin.id)
    assert (late.credits, late.credits_taken) == (1000, 0)
