"""No sequence of plan changes gives or keeps more credits than were paid for.

A credit costs the same in all plans. So the money that the owner was charged, less what Stripe
owes them, says how many credits may exist, temporary and permanent ones.
``QUICKSCALE_EXAMPLES`` is the number of histories that are tried.
"""

from __future__ import annotations

import os
import uuid
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.db.models import F, Sum
from django.utils import timezone
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from quickscale_credits import ledger
from quickscale_credits.exceptions import InsufficientCreditsError
from quickscale_credits.models import CreditAccount, CreditLot
from quickscale_credits.testing import Clock, ledger_clock
from quickscale_stripe.billing import checkout, customers, plan_changes, subscriptions
from quickscale_stripe.catalogue import mirror
from quickscale_stripe.client import get_client
from quickscale_stripe.exceptions import PaymentsError
from quickscale_stripe.models import Payment, StripePrice, Subscription
from quickscale_stripe_sandbox import Sandbox
from tests.quickscale_stripe.proof.world import World, load, save

pytestmark = pytest.mark.django_db

CENTS_FOR_A_CREDIT = 10
#: Each change rounds to cents and to whole credits, so it may give half a credit too many.
ROUNDING = CENTS_FOR_A_CREDIT // 2 + 1
#: Nickname -> interval and credits.
PLANS = {
    "small": ("month", 300),
    "medium": ("month", 1000),
    "large": ("month", 2500),
    "small yearly": ("year", 3600),
    "large yearly": ("year", 30000),
}
URLS = {"success_url": "http://testserver/done/", "cancel_url": "http://testserver/back/"}

plans = st.sampled_from(sorted(PLANS))
actions = st.one_of(
    st.tuples(st.just("change"), plans),
    st.tuples(st.just("change_in_portal"), plans),
    st.tuples(st.just("change_later"), plans),
    st.tuples(st.just("wait"), st.sampled_from([1, 10, 16, 31, 200])),
    st.tuples(st.just("spend"), st.sampled_from([100, 1000])),
    st.tuples(st.just("use_card"), st.sampled_from(["pm_card_visa", "pm_card_chargeDeclined"])),
    st.tuples(
        st.sampled_from(["cancel", "cancel_in_portal", "reactivate", "cancel_now"]), st.none()
    ),
    st.tuples(st.just("subscribe"), plans),
)


class Customer:
    """An owner who tries to get more credits than they pay for."""

    def __init__(self, sandbox: Sandbox, owner: Any, clock: Clock) -> None:
        self.sandbox, self.owner, self.clock = sandbox, owner, clock
        self.world = World(sandbox, owner)
        self.account = CreditAccount.objects.for_owner(owner)

    def do(self, action: str, value: Any) -> None:
        """Try the action; one that isn't possible now is refused and changes nothing."""
        self.pass_time(timedelta(seconds=1))
        try:
            with transaction.atomic():
                getattr(self, action)(value)
        except (PaymentsError, InsufficientCreditsError):
            pass
        self.sandbox.deliver()

    def pass_time(self, by: timedelta) -> None:
        self.sandbox.advance(days=by.days, seconds=by.seconds)
        self.clock.move(by)

    @property
    def subscription(self) -> Subscription:
        found = Subscription.objects.live().first()
        if found is None:
            raise PaymentsError("There is no subscription.")
        return found

    def subscribe(self, plan: str) -> None:
        price = StripePrice.objects.get(nickname=plan)
        session = checkout.subscribe(
            owner=self.owner, price=price, reference=uuid.uuid4().hex, **URLS
        )
        self.sandbox.pay(session.id)

    def change(self, plan: str) -> None:
        row, price = self.subscription, StripePrice.objects.get(nickname=plan)
        shown = plan_changes.preview(subscription=row, price=price)
        plan_changes.change(subscription=row, price=price, token=shown.token)

    def change_in_portal(self, plan: str) -> None:
        """Change at once in either direction; Stripe owes the customer what was paid too much."""
        price = StripePrice.objects.get(nickname=plan)
        if self.subscription.schedule_id or self.subscription.price == price:
            raise PaymentsError("The portal doesn't offer it.")
        self.world.change_in_portal_to(self.subscription.stripe_id, price.stripe_id)

    def change_later(self, plan: str) -> None:
        """Change at once; the next invoice charges the difference or gives it back."""
        price = StripePrice.objects.get(nickname=plan)
        if self.subscription.schedule_id or self.subscription.price == price:
            raise PaymentsError("Stripe refuses it.")
        self.world.change_later_to(self.subscription.stripe_id, price.stripe_id)

    def wait(self, days: int) -> None:
        self.pass_time(timedelta(days=days))

    def spend(self, amount: int) -> None:
        self.account.consume_credits(amount, "use")

    def use_card(self, method: str) -> None:
        self.world.use_card(method)

    def cancel(self, _: None) -> None:
        subscriptions.cancel_at_period_end(self.subscription)

    def cancel_in_portal(self, _: None) -> None:
        if self.subscription.schedule_id:
            raise PaymentsError("The portal doesn't offer it.")
        self.world.cancel_in_portal(self.subscription.stripe_id)

    def reactivate(self, _: None) -> None:
        subscriptions.reactivate(self.subscription)

    def cancel_now(self, _: None) -> None:
        subscriptions.cancel_now(self.subscription)

    @property
    def paid(self) -> int:
        """The cents that were charged, less those that Stripe owes the customer."""
        stripe = get_client().v1
        charges = stripe.charges.list({"limit": 100}).auto_paging_iter()
        remote = stripe.customers.retrieve(customers.ensure(self.owner).stripe_id or "")
        return sum(charge.amount for charge in charges if charge.paid) + remote.balance

    @property
    def invoiced(self) -> int:
        """The cents of all paid invoices, including those paid from the customer's balance."""
        paid = get_client().v1.invoices.list({"status": "paid", "limit": 100})
        return sum(max(0, invoice.total) for invoice in paid.auto_paging_iter())

    @property
    def granted(self) -> Decimal:
        net = Sum(F("credits") - F("credits_taken"))
        return Payment.objects.paid().aggregate(net=net)["net"] or Decimal(0)

    @property
    def unspent(self) -> Decimal:
        """All unspent credits, including those of months that have not begun."""
        lots = CreditLot.objects.filter(account=self.account)
        lots = lots.exclude(expires_at__lte=self.clock.now)
        return lots.aggregate(all=Sum("remaining"))["all"] or Decimal(0)

    @property
    def permanent(self) -> Decimal:
        lots = CreditLot.objects.filter(account=self.account, credit_type="payg")
        kept = Sum(F("amount") - F("lost") - F("owed"))
        return lots.aggregate(kept=kept)["kept"] or Decimal(0)


@pytest.fixture
def shop(sandbox: Sandbox, db: None) -> Sandbox:
    client = get_client()
    for nickname, (interval, amount) in PLANS.items():
        product = client.v1.products.create({"name": nickname})
        client.v1.prices.create(
            {
                "product": product.id,
                "nickname": nickname,
                "currency": "usd",
                "unit_amount": amount * CENTS_FOR_A_CREDIT,
                "recurring": {"interval": interval},  # type: ignore[typeddict-item]
                "metadata": {"credits": str(amount)},
            }
        )
    list(mirror.sync_all())
    return sandbox


def test_credits_are_paid_for(shop: Sandbox, owner: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.deliver()
    customers.ensure(owner)
    begin, now = save(shop), timezone.now()

    @hypothesis_settings(
        max_examples=int(os.environ.get("QUICKSCALE_EXAMPLES", 12)),
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(first=plans, history=st.lists(actions, min_size=2, max_size=10))
    @example("small", [("change", "small yearly")])
    @example(
        "small",
        [
            ("use_card", "pm_card_chargeDeclined"),
            ("wait", 31),
            ("use_card", "pm_card_visa"),
            ("change", "large"),
        ],
    )
    @example(
        "small yearly",
        [
            ("change_in_portal", "small"),
            ("wait", 31),
            ("change_in_portal", "medium"),
            ("change_in_portal", "large"),
        ],
    )
    @example(
        "large",
        [
            ("use_card", "pm_card_chargeDeclined"),
            ("wait", 31),
            ("change_in_portal", "small"),
            ("use_card", "pm_card_visa"),
            ("wait", 10),
        ],
    )
    @example("large", [("change_in_portal", "large yearly"), ("change_in_portal", "small")])
    @example("large", [("wait", 16), ("change_later", "small"), ("wait", 31), ("wait", 31)])
    @example("small", [("change_later", "large"), ("change_in_portal", "medium"), ("wait", 31)])
    @example(
        "large yearly",
        [("change_in_portal", "small"), ("wait", 31), ("change_in_portal", "medium")],
    )
    def sequence(first: str, history: list[tuple[str, Any]]) -> None:
        load(shop, begin)
        with transaction.atomic(), ledger_clock(now) as clock:
            with monkeypatch.context() as patch:
                patch.setattr("django.utils.timezone.now", lambda: clock.now)
                customer = Customer(shop, owner, clock)
                steps = [("subscribe", first), *history]
                for number, (action, value) in enumerate(steps, 1):
                    customer.do(action, value)
                    over = number * ROUNDING
                    assert customer.permanent * CENTS_FOR_A_CREDIT <= customer.paid + over
                    assert customer.unspent * CENTS_FOR_A_CREDIT <= customer.paid + over
                    assert customer.granted * CENTS_FOR_A_CREDIT <= customer.invoiced + over
                assert ledger.verify(customer.account) == []
            transaction.set_rollback(True)

    sequence()
