"""Payments and subscriptions with a site's own class, also without ``quickscale_credits``."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.core.checks import run_checks
from django.test import Client

from quickscale.owner import get_owner_model
from quickscale_stripe.billing import plan_changes, subscriptions
from quickscale_stripe.client import get_client
from quickscale_stripe.fulfilment import Fulfilment
from quickscale_stripe.models import Payment, StripePrice, Subscription
from quickscale_stripe_sandbox import Sandbox
from quickscale_stripe_sandbox.operations import portal
from tests.quickscale_stripe.shopping import charge_of, open_checkout, open_signup

pytestmark = pytest.mark.django_db

CALLS: list[tuple[str, dict[str, Any]]] = []


class SiteFulfilment(Fulfilment):
    def fulfil(self, **facts: Any) -> None:
        CALLS.append(("fulfil", facts))

    def change_plan(self, **facts: Any) -> None:
        CALLS.append(("change_plan", facts))

    def revoke(self, **facts: Any) -> None:
        CALLS.append(("revoke", facts))

    def restore(self, **facts: Any) -> None:
        CALLS.append(("restore", facts))

    def balance(self, **facts: Any) -> Decimal | None:
        return Decimal(7)


@pytest.fixture(autouse=True)
def hooks(settings: Any) -> None:
    CALLS.clear()
    settings.QUICKSCALE_STRIPE_FULFILMENT = f"{__name__}.SiteFulfilment"


def names() -> list[str]:
    return [name for name, _ in CALLS]


def plan(name: str) -> StripePrice:
    return StripePrice.objects.get(product__name=name, interval="month")


def test_a_purchase_is_delivered_once(
    shop: Sandbox, owner: Any, buyer: Client, package: StripePrice
) -> None:
    shop.set_delivery(copies=3)
    session = open_checkout(owner, package)
    shop.pay(session)
    page = buyer.get("/dashboard/buy-credits/done/", {"session_id": session})
    assert page.status_code == 200
    shop.deliver()
    [(name, facts)] = CALLS
    assert (name, facts["owner"], facts["price"], facts["amount"], facts["period"]) == (
        "fulfil", owner, package, 100, None,
    )  # fmt: skip
    assert facts["source"] == ("checkout", session)
    assert Payment.objects.get().fulfilled_at


def test_refunds_and_disputes_name_what_they_take_and_give_back(
    shop: Sandbox, owner: Any, package: StripePrice
) -> None:
    shop.pay(open_checkout(owner, package))
    shop.deliver()
    charge = charge_of(Payment.objects.get())
    refund = shop.refund(charge, amount=450)
    shop.deliver()
    shop.fail_refund(refund)
    shop.deliver()
    dispute = shop.dispute(charge)
    shop.deliver()
    shop.close_dispute(dispute, won=True)
    shop.deliver()
    assert [(name, facts.get("key"), facts.get("amount")) for name, facts in CALLS[1:]] == [
        ("revoke", f"refund:{refund}", 50),
        ("restore", f"refund:{refund}", None),
        ("revoke", f"dispute:{dispute}:withdrawn", 100),
        ("restore", f"dispute:{dispute}:withdrawn", None),
    ]


def test_a_subscription_delivers_each_period_and_each_change(shop: Sandbox, owner: Any) -> None:
    shop.pay(open_signup(owner, plan("Basic plan")))
    shop.deliver()
    row = Subscription.objects.get()
    [(_, first)] = CALLS
    assert first["period"] == (row.current_period_start, row.current_period_end)
    assert first["amount"] == 300

    shown = plan_changes.preview(subscription=row, price=plan("Pro plan"))
    plan_changes.change(subscription=row, price=plan("Pro plan"), token=shown.token)
    shop.deliver()
    assert names() == ["fulfil", "change_plan", "fulfil"]
    assert (CALLS[1][1]["excess"], [one.amount for one in CALLS[1][1]["before"]]) == (0, [1900])
    assert CALLS[2][1]["amount"] == pytest.approx(700, abs=1)

    customer = get_client().v1.subscriptions.retrieve(row.stripe_id).customer
    with shop.world() as world:
        portal.change_plan(world, str(customer), row.stripe_id, plan("Basic plan").stripe_id)
    shop.deliver()
    assert names()[3:] == ["change_plan"]
    assert CALLS[3][1]["excess"] == pytest.approx(700, abs=1)
    change = Payment.objects.filter(kind="plan_change").latest("created_at", "pk")
    assert change.credits_taken == CALLS[3][1]["excess"]

    shop.advance(days=32)
    shop.deliver()
    assert names()[4:] == ["fulfil"]
    assert CALLS[4][1]["amount"] == 300


def test_the_pages_work(shop: Sandbox, owner: Any, buyer: Client, package: StripePrice) -> None:
    shop.pay(open_signup(owner, plan("Basic plan")))
    shop.deliver()
    payment = Payment.objects.get()
    for page in (
        "buy-credits/", "plans/", "subscription/", "payments/", f"payments/{payment.pk}/",
        f"payments/{payment.pk}/receipt/",
    ):  # fmt: skip
        assert buyer.get(f"/dashboard/{page}").status_code == 200, page


def test_a_class_without_methods_brings_nothing_and_breaks_nothing(
    shop: Sandbox, owner: Any, buyer: Client, package: StripePrice, settings: Any
) -> None:
    settings.QUICKSCALE_STRIPE_FULFILMENT = "quickscale_stripe.fulfilment.Fulfilment"
    session = open_checkout(owner, package)
    shop.pay(session)
    assert buyer.get("/dashboard/buy-credits/done/", {"session_id": session}).status_code == 200
    shop.refund(charge_of(Payment.objects.get()))
    shop.pay(open_signup(owner, plan("Basic plan")))
    shop.deliver()
    row = Subscription.objects.get()
    shown = plan_changes.preview(subscription=row, price=plan("Pro plan"))
    assert shown.left_over is None
    plan_changes.change(subscription=row, price=plan("Pro plan"), token=shown.token)
    subscriptions.cancel_now(row)
    shop.deliver()
    assert Payment.objects.filter(fulfilled_at=None).count() == 0
    assert Payment.objects.exclude(fulfilment_error="").count() == 0


def test_nothing_is_wrong_with_the_site(db: None) -> None:
    """The teams here have no address, which is reported."""
    found = {str(one.id) for one in run_checks() if str(one.id).startswith("quickscale_stripe")}
    assert found <= {"quickscale_stripe.W005"}
    assert bool(found) is not hasattr(get_owner_model(), "email")
