"""One owner, one shop and one sandbox, whose state can be saved and restored."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import stripe
from django.db.models.functions import Coalesce

from quickscale_credits import ledger
from quickscale_credits.models import CreditAccount, CreditLot
from quickscale_stripe.billing import movements, subscriptions
from quickscale_stripe.client import get_client
from quickscale_stripe.models import Charge, Dispute, Payment, Refund, StripePrice, Subscription
from quickscale_stripe_sandbox import Sandbox
from quickscale_stripe_sandbox.internal.methods import find_method
from quickscale_stripe_sandbox.operations import invoices, payment_methods, payments, portal
from tests.quickscale_stripe.shopping import open_checkout, open_signup

_TABLES = ("object", "idempotency", "due", "delivery", "setting")

State = dict[str, list[tuple[Any, ...]]]


def save(sandbox: Sandbox) -> State:
    """Return the whole state of the sandbox."""
    with sandbox.store.transaction() as rows:
        return {
            table: [tuple(row) for row in rows.execute(f"SELECT * FROM {table}")]
            for table in _TABLES
        }


def load(sandbox: Sandbox, state: State) -> None:
    """Replace the whole state of the sandbox."""
    with sandbox.store.transaction() as rows:
        for table, known in state.items():
            rows.execute(f"DELETE FROM {table}")
            for row in known:
                marks = ", ".join("?" * len(row))
                rows.execute(f"INSERT INTO {table} VALUES ({marks})", row)


@dataclass
class World:
    """The actions of the people in a story: the owner, staff in Stripe's dashboard, and banks."""

    sandbox: Sandbox
    owner: Any

    @property
    def client(self) -> stripe.StripeClient:
        return get_client()

    def price(self, name: str, interval: str = "month") -> StripePrice:
        return StripePrice.objects.get(product__name=name, interval__in=["", interval])

    def buy(self, method: str = "card", *, reference: str = "first") -> str:
        """Buy the smallest package, 100 credits for 9.00 USD; return the payment intent."""
        session = open_checkout(self.owner, self.price("Starter pack"), reference)
        self.sandbox.pay(session, method)
        return str(self.client.v1.checkout.sessions.retrieve(session).payment_intent)

    def subscribe(self, plan: str = "Basic plan", method: str = "card") -> str:
        """Subscribe to a monthly plan; return the subscription."""
        session = open_signup(self.owner, self.price(plan))
        self.sandbox.pay(session, method)
        return str(self.client.v1.checkout.sessions.retrieve(session).subscription)

    def known(self, subscription_id: str) -> Subscription:
        """Return the site's row of a subscription, synced as by its pages."""
        row = subscriptions.sync(subscription_id)
        assert row is not None
        return row

    def charge(self, intent_id: str) -> str:
        return str(self.client.v1.payment_intents.retrieve(intent_id).latest_charge)

    def charge_of_invoice(self, invoice_id: str) -> str:
        [payment] = self.client.v1.invoice_payments.list({"invoice": invoice_id}).data
        return self.charge(str(payment.payment.payment_intent))

    def failed_renewal(self) -> str:
        """Subscribe, and let the next period's invoice fail; return the invoice."""
        self.subscribe(method="renewal_declined")
        self.sandbox.advance(days=32)
        return self.client.v1.invoices.list().data[0].id

    def pay_part(self, invoice_id: str, amount: int) -> str:
        """Pay part of an open invoice with a separate intent, as staff can; return its charge.

        docs.stripe.com/invoicing/partial-payments: the default payment is for what remains.
        """
        method = find_method("card")
        assert method
        with self.sandbox.world() as world:
            invoice = world.get("invoice", invoice_id)
            [rest] = world.all("invoice_payment", invoice=invoice_id, status="open")
            intent = payments.new_intent(
                world, amount, invoice["currency"], customer=invoice["customer"]
            )
            payments.confirm(world, intent, payment_methods.new_method(world, method))
            part = invoices.add_payment(world, invoice, intent["id"])
            paid = {"amount_paid": amount, "amount_requested": amount, "is_default": False}
            world.save(part | paid | {"status": "paid"})
            remains = invoice["amount_remaining"] - amount
            world.save(rest | {"amount_requested": remains})
            default = world.get("payment_intent", rest["payment"]["payment_intent"])
            world.save(default | {"amount": remains})
            world.save(
                invoice
                | {"amount_paid": invoice["amount_paid"] + amount, "amount_remaining": remains}
            )
            return str(world.get("payment_intent", intent["id"])["latest_charge"])

    def credit(self, invoice_id: str, amount: int) -> None:
        """Reduce an open invoice by a credit note."""
        with self.sandbox.world() as world:
            invoice = world.get("invoice", invoice_id)
            [rest] = world.all("invoice_payment", invoice=invoice_id, status="open")
            due = invoice["amount_due"] - amount
            world.save(rest | {"amount_requested": due})
            default = world.get("payment_intent", rest["payment"]["payment_intent"])
            world.save(default | {"amount": due})
            noted = {"pre_payment_credit_notes_amount": amount}
            world.save(invoice | noted | {"amount_due": due, "amount_remaining": due})

    def pay_rest(self, invoice_id: str) -> None:
        """Pay what remains of an invoice on its hosted page with a valid card."""
        self.use_card()
        self.client.v1.invoices.pay(invoice_id, {}, {"idempotency_key": f"rest of {invoice_id}"})

    def use_card(self, method: str = "pm_card_visa") -> None:
        """Save another card in the portal, and use it for the subscriptions, too."""
        customer_id = self.owner.stripe_customer.stripe_id
        found = find_method(method)
        assert found
        with self.sandbox.world() as world:
            portal.save_method(world, customer_id, found)
            saved = world.get("customer", customer_id)["invoice_settings"]["default_payment_method"]
            for subscription in world.all("subscription", customer=customer_id):
                world.save(
                    subscription | {"default_payment_method": saved},
                    "customer.subscription.updated",
                )

    def change_in_portal(self, subscription_id: str, plan: str, interval: str = "month") -> None:
        self.change_in_portal_to(subscription_id, self.price(plan, interval).stripe_id)

    def change_later(self, subscription_id: str, plan: str, quantity: int = 1) -> None:
        """Change price or quantity at once, charged with the next period: Stripe's default."""
        self.change_later_to(subscription_id, self.price(plan).stripe_id, quantity)

    def change_later_to(self, subscription_id: str, price_id: str, quantity: int = 1) -> None:
        item = self.client.v1.subscriptions.retrieve(subscription_id).items.data[0]
        self.client.v1.subscriptions.update(
            subscription_id,
            {"items": [{"id": item.id, "price": price_id, "quantity": quantity}]},
            {"idempotency_key": uuid.uuid4().hex},
        )

    def add_seats(self, subscription_id: str, quantity: int = 3) -> None:
        """Add seats for 2.00 USD a month in the dashboard, whose price isn't this site's."""
        v1 = self.client.v1
        seat = v1.prices.create(
            {
                "product_data": {"name": "Seat"},
                "unit_amount": 200,
                "currency": "usd",
                "recurring": {"interval": "month"},
            }
        )
        v1.subscriptions.update(
            subscription_id,
            {"items": [{"price": seat.id, "quantity": quantity}]},
            {"idempotency_key": uuid.uuid4().hex},
        )

    def cancel_in_portal(self, subscription_id: str, *, cancel: bool = True) -> None:
        customer_id = self.owner.stripe_customer.stripe_id
        with self.sandbox.world() as world:
            portal.set_cancel(world, customer_id, subscription_id, cancel=cancel)

    def change_in_portal_to(self, subscription_id: str, price_id: str) -> None:
        customer_id = self.owner.stripe_customer.stripe_id
        with self.sandbox.world() as world:
            portal.change_plan(world, customer_id, subscription_id, price_id)


def end_of(owner: Any) -> dict[str, Any]:
    """Return everything that must not depend on the order of events, without row numbers."""
    account = CreditAccount.objects.for_owner(owner)
    assert ledger.verify(account) == []
    assert list(movements.verify()) == []
    return {
        "lots": sorted(
            CreditLot.objects.filter(account=account)
            .annotate(origin=Coalesce("parent__source_id", "source_id"))
            .values_list("credit_type", "amount", "remaining", "expires_at", "origin"),
            key=str,
        ),
        "payments": sorted(
            Payment.objects.values_list(
                "kind", "status", "amount", "amount_refunded", "amount_disputed", "currency",
                "credits", "fulfilment_error", "paid_at",
                "total", "checkout_session_id", "invoice_id",
                "description", "price__stripe_id", "subscription__stripe_id", "failure_message",
            ),
            key=str,
        ),
        "subscriptions": sorted(
            Subscription.objects.values_list(
                "stripe_id", "status", "price__stripe_id", "pending_price__stripe_id",
                "current_period_end", "cancel_at", "ended_at", "end_reason", "mrr",
            ),
            key=str,
        ),
        "charges": sorted(
            Charge.objects.values_list("payment_intent_id", "charge_id", "amount")
        ),
        "refunds": sorted(Refund.objects.values_list("stripe_id", "status")),
        "disputes": sorted(Dispute.objects.values_list("stripe_id", "status", "is_withdrawn")),
        # The order decides which of several takes the last ten-thousandth.
        "revoked": sum(
            row.credits_revoked for model in (Refund, Dispute) for row in model.objects.all()
        ),
    }  # fmt: skip
