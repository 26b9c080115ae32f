"""Stories of owners and their money, step by step, and how each has to end.

A story yields where time passes. Events may arrive there, or later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from quickscale_stripe.billing import customers, plan_changes, subscriptions
from tests.quickscale_stripe.proof.world import World

Steps: TypeAlias = Iterator[None]


@dataclass(frozen=True)
class Story:
    """A story and its end.

    Args:
        payments: kind, status and rounded credits of each.
        balance: the rounded credits of each type.
        subscription: its status, if there is one, and its plan.
    """

    tell: Callable[[World], Steps]
    payments: list[tuple[str, str, int]]
    balance: dict[str, int]
    subscription: tuple[str, str] | None


STORIES: dict[str, Story] = {}

_BOUGHT = ("one_time", "succeeded", 100)
_DISPUTED = ("one_time", "disputed", 100)
_BASIC = ("subscription", "succeeded", 300)
_UPGRADED = ("plan_change", "succeeded", 700)


def story(
    *payments: tuple[str, str, int],
    subscription: tuple[str, str] | None = None,
    payg: int = 0,
    plan: int = 0,
) -> Callable[[Callable[[World], Steps]], None]:
    def add(tell: Callable[[World], Steps]) -> None:
        balance = {"payg": payg, "subscription": plan}
        STORIES[tell.__name__] = Story(tell, sorted(payments), balance, subscription)

    return add


# Packages ----------------------------------------------------------------------------------------


@story(_BOUGHT, payg=100)
def bought_by_card(world: World) -> Steps:
    yield
    world.buy()


@story(_BOUGHT, payg=100)
def bought_by_bank(world: World) -> Steps:
    intent = world.buy("bank_success")
    yield
    world.sandbox.settle(intent)


@story(("one_time", "failed", 100))
def refused_by_the_bank(world: World) -> Steps:
    intent = world.buy("bank_failure")
    yield
    world.sandbox.settle(intent)


@story(("one_time", "refunded", 100))
def refunded_in_parts(world: World) -> Steps:
    intent = world.buy()
    for amount in (100, 300, 500):
        yield
        world.sandbox.refund(world.charge(intent), amount=amount)


@story(("one_time", "partially_refunded", 100), payg=25)
def one_of_several_refunds_failed(world: World) -> Steps:
    intent = world.buy()
    yield
    failing = world.sandbox.refund(world.charge(intent), amount=225)
    yield
    world.sandbox.refund(world.charge(intent), amount=675)
    yield
    world.sandbox.fail_refund(failing)


@story(_BOUGHT, payg=100)
def dispute_won(world: World) -> Steps:
    intent = world.buy()
    yield
    dispute = world.sandbox.dispute(world.charge(intent))
    yield
    world.sandbox.close_dispute(dispute, won=True)


@story(_DISPUTED)
def dispute_lost(world: World) -> Steps:
    intent = world.buy()
    yield
    dispute = world.sandbox.dispute(world.charge(intent))
    yield
    world.sandbox.close_dispute(dispute, won=False)


@story(_DISPUTED)
def dispute_won_and_lost_on_appeal(world: World) -> Steps:
    intent = world.buy()
    yield
    dispute = world.sandbox.dispute(world.charge(intent))
    yield
    world.sandbox.close_dispute(dispute, won=True)
    yield
    world.sandbox.reopen_dispute(dispute)
    yield
    world.sandbox.close_dispute(dispute, won=False)


@story(_DISPUTED)
def refunded_in_part_and_the_rest_disputed(world: World) -> Steps:
    intent = world.buy()
    yield
    world.sandbox.refund(world.charge(intent), amount=200)
    yield
    dispute = world.sandbox.dispute(world.charge(intent))
    yield
    world.sandbox.close_dispute(dispute, won=False)


@story(("one_time", "refunded", 100))
def bought_by_bank_and_refunded_in_parts(world: World) -> Steps:
    intent = world.buy("bank_success")
    yield
    world.sandbox.settle(intent)
    for amount in (300, 600):
        world.sandbox.refund(world.charge(intent), amount=amount)
        yield


@story(_BOUGHT, payg=100)
def bought_by_bank_and_dispute_won(world: World) -> Steps:
    intent = world.buy("bank_success")
    yield
    world.sandbox.settle(intent)
    dispute = world.sandbox.dispute(world.charge(intent))
    yield
    world.sandbox.close_dispute(dispute, won=True)


@story(_DISPUTED)
def bought_by_bank_and_dispute_lost(world: World) -> Steps:
    intent = world.buy("bank_success")
    yield
    world.sandbox.settle(intent)
    dispute = world.sandbox.dispute(world.charge(intent))
    world.sandbox.close_dispute(dispute, won=False)


# Subscriptions -----------------------------------------------------------------------------------


@story(_BASIC, subscription=("active", "Basic plan"), plan=300)
def subscribed(world: World) -> Steps:
    yield
    world.subscribe()


@story(_BASIC, _BASIC, subscription=("active", "Basic plan"), plan=600)
def renewed(world: World) -> Steps:
    world.subscribe()
    yield
    world.sandbox.advance(days=32)


@story(_BASIC, _BASIC, subscription=("active", "Basic plan"), plan=600)
def renewal_failed_and_recovered(world: World) -> Steps:
    world.subscribe(method="renewal_declined")
    yield
    world.sandbox.advance(days=32)
    yield
    world.use_card()
    yield
    world.sandbox.advance(days=5)


def _recover(world: World) -> str:
    """Let a renewal fail and then be paid; return its charge."""
    world.subscribe(method="renewal_declined")
    world.sandbox.advance(days=32)
    [renewal, _] = world.client.v1.invoices.list().data
    world.use_card()
    world.sandbox.advance(days=5)
    return world.charge_of_invoice(renewal.id)


@story(
    _BASIC,
    ("subscription", "partially_refunded", 300),
    subscription=("active", "Basic plan"),
    plan=450,
)
def renewal_failed_recovered_and_half_refunded(world: World) -> Steps:
    yield
    charge = _recover(world)
    failing = world.sandbox.refund(charge, amount=500)
    yield
    world.sandbox.refund(charge, amount=950)
    world.sandbox.fail_refund(failing)


@story(
    _BASIC,
    ("subscription", "disputed", 300),
    subscription=("active", "Basic plan"),
    plan=300,
)
def renewal_failed_recovered_and_disputed(world: World) -> Steps:
    yield
    charge = _recover(world)
    dispute = world.sandbox.dispute(charge)
    yield
    world.sandbox.close_dispute(dispute, won=False)


@story(
    _BASIC,
    ("subscription", "failed", 300),
    subscription=("canceled", "Basic plan"),
    plan=300,
)
def renewal_failed_for_good(world: World) -> Steps:
    world.subscribe(method="renewal_declined")
    yield
    world.sandbox.advance(days=32)
    yield
    world.sandbox.advance(days=20)


@story(
    ("subscription", "succeeded", 300),
    ("subscription", "succeeded", 300),
    subscription=("active", "Basic plan"),
    plan=600,
)
def tried_and_stayed(world: World) -> Steps:
    """The trial's invoice has a total of 0 and brings the credits of the trial period."""
    customer = customers.ensure(world.owner)
    world.use_card()
    world.client.v1.subscriptions.create(
        {
            "customer": customer.stripe_id or "",
            "items": [{"price": world.price("Basic plan").stripe_id}],
            "trial_period_days": 7,
        },
        {"idempotency_key": "trial"},
    )
    yield
    world.sandbox.advance(days=5)
    yield
    world.sandbox.advance(days=3)


@story(_BASIC, subscription=("active", "Basic plan"), plan=300)
def canceled_and_reactivated(world: World) -> Steps:
    subscription = world.subscribe()
    yield
    row = subscriptions.cancel_at_period_end(world.known(subscription))
    assert row
    yield
    subscriptions.reactivate(row)


@story(_BASIC, _BASIC, subscription=("active", "Basic plan"), plan=600)
def canceled_in_the_portal_and_taken_back(world: World) -> Steps:
    subscription = world.subscribe()
    yield
    world.cancel_in_portal(subscription)
    yield
    subscriptions.reactivate(world.known(subscription))
    yield
    world.sandbox.advance(days=32)


@story(_BASIC, subscription=("canceled", "Basic plan"), plan=300)
def canceled_in_the_portal(world: World) -> Steps:
    subscription = world.subscribe()
    yield
    world.cancel_in_portal(subscription)
    yield
    world.sandbox.advance(days=32)


@story(_BASIC, subscription=("canceled", "Basic plan"), plan=300)
def canceled_at_the_period_s_end(world: World) -> Steps:
    subscription = world.subscribe()
    yield
    subscriptions.cancel_at_period_end(world.known(subscription))
    yield
    world.sandbox.advance(days=32)


@story(_BASIC, subscription=("canceled", "Basic plan"), plan=300)
def canceled_at_once(world: World) -> Steps:
    subscription = world.subscribe()
    yield
    subscriptions.cancel_now(world.known(subscription))


@story(("subscription", "refunded", 300), subscription=("active", "Basic plan"))
def period_refunded(world: World) -> Steps:
    world.subscribe()
    yield
    [invoice] = world.client.v1.invoices.list().data
    world.sandbox.refund(world.charge_of_invoice(invoice.id))


@story(
    ("subscription", "succeeded", 1000),
    ("plan_change", "succeeded", 0),
    _BASIC,
    ("subscription", "refunded", 300),
    subscription=("active", "Basic plan"),
    plan=600,
)
def paid_from_the_balance_and_refunded(world: World) -> Steps:
    """A balance of 30.00 pays a renewal and part of the next, whose charge is refunded."""
    subscription = world.subscribe("Pro plan")
    world.change_in_portal(subscription, "Basic plan")
    world.sandbox.advance(days=31)
    yield
    world.sandbox.advance(days=31)
    yield
    world.sandbox.refund(world.charge_of_invoice(world.client.v1.invoices.list().data[0].id))


@story(_BASIC, _BASIC, subscription=("active", "Basic plan"), plan=600)
def paid_outside_stripe(world: World) -> Steps:
    invoice = world.failed_renewal()
    yield
    world.client.v1.invoices.pay(
        invoice, {"paid_out_of_band": True}, {"idempotency_key": "in cash"}
    )


@story(
    _BASIC,
    ("subscription", "refunded", 300),
    subscription=("active", "Basic plan"),
    plan=300,
)
def paid_in_parts_after_a_credit_note_and_refunded(world: World) -> Steps:
    invoice = world.failed_renewal()
    yield
    world.credit(invoice, 400)
    part = world.pay_part(invoice, 500)
    world.sandbox.refund(part)
    yield
    world.pay_rest(invoice)
    yield
    for payment in world.client.v1.invoice_payments.list({"invoice": invoice}).data:
        charge = world.charge(str(payment.payment.payment_intent))
        if charge != part:
            world.sandbox.refund(charge)


# Changes of plan ---------------------------------------------------------------------------------


def _change(world: World, subscription_id: str, plan: str) -> None:
    row, price = world.known(subscription_id), world.price(plan)
    shown = plan_changes.preview(subscription=row, price=price)
    plan_changes.change(subscription=row, price=price, token=shown.token)


@story(_BASIC, _UPGRADED, subscription=("active", "Pro plan"), payg=300, plan=700)
def upgraded(world: World) -> Steps:
    subscription = world.subscribe()
    yield
    _change(world, subscription, "Pro plan")


@story(
    _BASIC,
    ("plan_change", "failed", 0),
    subscription=("active", "Basic plan"),
    plan=300,
)
def upgrade_declined(world: World) -> Steps:
    subscription = world.subscribe(method="renewal_declined")
    yield
    _change(world, subscription, "Pro plan")
    yield
    world.sandbox.advance(days=2)


@story(_BASIC, _UPGRADED, subscription=("active", "Pro plan"), payg=300, plan=700)
def upgrade_declined_and_then_paid(world: World) -> Steps:
    subscription = world.subscribe(method="renewal_declined")
    yield
    _change(world, subscription, "Pro plan")
    yield
    world.use_card()
    invoice = world.client.v1.invoices.list({"limit": 1}).data[0]
    yield
    world.client.v1.invoices.pay(invoice.id, {}, {"idempotency_key": "by the hosted page"})


@story(
    ("subscription", "succeeded", 1000),
    _BASIC,
    subscription=("active", "Basic plan"),
    plan=1300,
)
def downgraded(world: World) -> Steps:
    subscription = world.subscribe("Pro plan")
    yield
    _change(world, subscription, "Basic plan")
    yield
    world.sandbox.advance(days=32)


@story(
    ("subscription", "succeeded", 1000),
    _BASIC,
    subscription=("active", "Basic plan"),
    plan=1300,
)
def downgraded_beside_seats(world: World) -> Steps:
    subscription = world.subscribe("Pro plan")
    yield
    world.add_seats(subscription)
    yield
    _change(world, subscription, "Basic plan")
    yield
    world.sandbox.advance(days=32)


@story(_BASIC, _UPGRADED, subscription=("active", "Pro plan"), payg=300, plan=700)
def changed_in_the_portal(world: World) -> Steps:
    subscription = world.subscribe()
    yield
    world.change_in_portal(subscription, "Pro plan")


@story(
    ("subscription", "succeeded", 300),
    ("plan_change", "succeeded", 700),
    ("plan_change", "succeeded", 0),
    ("plan_change", "succeeded", 700),
    ("subscription", "succeeded", 1000),
    subscription=("active", "Pro plan"),
    payg=300,
    plan=1700,
)
def changed_to_and_fro(world: World) -> Steps:
    subscription = world.subscribe()
    for plan in ("Pro plan", "Basic plan", "Pro plan"):
        yield
        world.change_in_portal(subscription, plan)
    yield
    world.sandbox.advance(days=32)


@story(_BASIC, ("subscription", "succeeded", 1350), subscription=("active", "Pro plan"), plan=1650)
def changed_with_the_next_invoice(world: World) -> Steps:
    subscription = world.subscribe()
    item = world.client.v1.subscriptions.retrieve(subscription).items.data[0]
    half = (item.current_period_end - item.current_period_start) // 2
    yield
    world.sandbox.advance(seconds=half)
    world.change_later(subscription, "Pro plan")
    yield
    world.sandbox.advance(seconds=half + 10)


# Customers ---------------------------------------------------------------------------------------


@story(_BASIC, subscription=("canceled", "Basic plan"), plan=300)
def customer_deleted(world: World) -> Steps:
    world.subscribe()
    yield
    world.client.v1.customers.delete(world.owner.stripe_customer.stripe_id)


@story(_BOUGHT, ("one_time", "refunded", 100), payg=100)
def customer_deleted_and_made_anew(world: World) -> Steps:
    intent = world.buy()
    yield
    world.sandbox.refund(world.charge(intent))
    old = world.owner.stripe_customer.stripe_id
    yield
    world.client.v1.customers.delete(old)
    customers.detach(old)
    yield
    world.buy(reference="second")
