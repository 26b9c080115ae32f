"""One owner, one shop and one sandbox, whose state can be put back to where it was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import stripe
from django.db.models.functions import Coalesce

from quickscale_credits import ledger
from quickscale_credits.models import CreditAccount, CreditLot
from quickscale_stripe import subscriptions
from quickscale_stripe.client import get_client
from quickscale_stripe.models import Dispute, Payment, Refund, StripePrice, Subscription
from quickscale_stripe.sandbox import Sandbox
from quickscale_stripe.sandbox.methods import find_method
from quickscale_stripe.sandbox.operations import portal
from tests.quickscale_stripe.shopping import open_checkout, open_signup

_TABLES = ("object", "idempotency", "due", "delivery", "setting")

State = dict[str, list[tuple[Any, ...]]]


def save(sandbox: Sandbox) -> State:
    """All that the sandbox knows."""
    with sandbox.store.transaction() as rows:
        return {
            table: [tuple(row) for row in rows.execute(f"SELECT * FROM {table}")]
            for table in _TABLES
        }


def load(sandbox: Sandbox, state: State) -> None:
    """Let the sandbox know this and nothing else."""
    with sandbox.store.transaction() as rows:
        for table, known in state.items():
            rows.execute(f"DELETE FROM {table}")
            for row in known:
                marks = ", ".join("?" * len(row))
                rows.execute(f"INSERT INTO {table} VALUES ({marks})", row)


@dataclass
class World:
    """What a story's people do: the owner, the staff at Stripe's dashboard, and banks."""

    sandbox: Sandbox
    owner: Any

    @property
    def client(self) -> stripe.StripeClient:
        return get_client()

    def price(self, name: str, interval: str = "month") -> StripePrice:
        return StripePrice.objects.get(product__name=name, interval__in=["", interval])

    def buy(self, method: str = "card", *, reference: str = "first") -> str:
        """Buy the smallest package, 100 credits for 9.00 USD; gives the payment intent."""
        session = open_checkout(self.owner, self.price("Starter pack"), reference)
        self.sandbox.pay(session, method)
        return str(self.client.v1.checkout.sessions.retrieve(session).payment_intent)

    def subscribe(self, plan: str = "Basic plan", method: str = "card") -> str:
        """Subscribe by the month; gives the subscription."""
        session = open_signup(self.owner, self.price(plan))
        self.sandbox.pay(session, method)
        return str(self.client.v1.checkout.sessions.retrieve(session).subscription)

    def known(self, subscription_id: str) -> Subscription:
        """The site's own row of a subscription, as its pages have it."""
        row = subscriptions.sync(subscription_id)
        assert row is not None
        return row

    def charge(self, intent_id: str) -> str:
        return str(self.client.v1.payment_intents.retrieve(intent_id).latest_charge)

    def use_card(self, method: str = "pm_card_visa") -> None:
        """Save another card in the portal."""
        customer_id = self.owner.stripe_customer.stripe_id
        found = find_method(method)
        assert found
        with self.sandbox.world() as world:
            portal.save_method(world, customer_id, found)

    def change_in_portal(self, subscription_id: str, plan: str, interval: str = "month") -> None:
        self.change_in_portal_to(subscription_id, self.price(plan, interval).stripe_id)

    def change_in_portal_to(self, subscription_id: str, price_id: str) -> None:
        customer_id = self.owner.stripe_customer.stripe_id
        with self.sandbox.world() as world:
            portal.change_plan(world, customer_id, subscription_id, price_id)


def end_of(owner: Any) -> dict[str, Any]:
    """All that must not depend on the order of events, without what numbers rows."""
    account = CreditAccount.objects.for_owner(owner)
    assert ledger.verify(account) == []
    return {
        "lots": sorted(
            CreditLot.objects.filter(account=account)
            .annotate(origin=Coalesce("parent__source_id", "source_id"))
            .values_list("credit_type", "amount", "remaining", "expires_at", "origin"),
            key=str,
        ),
        "payments": sorted(
            Payment.objects.values_list(
                "kind", "status", "amount", "amount_refunded", "currency", "credits", "paid_at",
                "checkout_session_id", "payment_intent_id", "charge_id", "invoice_id",
                "description", "price__stripe_id", "subscription__stripe_id", "failure_message",
            ),
            key=str,
        ),
        "subscriptions": sorted(
            Subscription.objects.values_list(
                "stripe_id", "status", "price__stripe_id", "pending_price__stripe_id",
                "current_period_end", "cancel_at_period_end", "ended_at",
            ),
            key=str,
        ),
        "refunds": sorted(Refund.objects.values_list("stripe_id", "status")),
        "disputes": sorted(Dispute.objects.values_list("stripe_id", "status", "is_withdrawn")),
        # Which of several takes the last ten-thousandth depends on which came first.
        "revoked": sum(
            row.credits_revoked for model in (Refund, Dispute) for row in model.objects.all()
        ),
    }  # fmt: skip
