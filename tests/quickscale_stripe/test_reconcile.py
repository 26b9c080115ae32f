from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
import stripe
from django.core.management import CommandError, call_command
from django.utils import timezone

from quickscale_stripe.billing import customers
from quickscale_stripe.client import get_client
from quickscale_stripe.events.reconcile import reconcile
from quickscale_stripe.exceptions import WouldWriteError
from quickscale_stripe.internal.dry_run import dry_run
from quickscale_stripe.models import Payment, Refund, StripeCustomer, StripePrice, Subscription
from quickscale_stripe_sandbox import Sandbox
from quickscale_stripe_sandbox.internal.methods import find_method
from quickscale_stripe_sandbox.operations import portal
from quickscale_stripe_sandbox.recording import Recorded, RecordingHTTPClient
from tests.quickscale_stripe.conftest import UseClient
from tests.quickscale_stripe.shopping import balance, open_checkout
from tests.quickscale_stripe.test_subscriptions import basic, open_signup

__all__ = ["basic"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def unheard(shop: Sandbox, owner: Any, package: StripePrice, basic: StripePrice) -> None:
    """A purchase, a refund of a third of it, and a subscription, without any event of them."""
    session = open_checkout(owner, package)
    shop.pay(session)
    intent = get_client().v1.checkout.sessions.retrieve(session).payment_intent
    get_client().v1.refunds.create(
        {"payment_intent": str(intent), "amount": 450}, {"idempotency_key": "half"}
    )
    shop.pay(open_signup(owner, basic))


def run(*, dry_run: bool = False) -> list[str]:
    since = timezone.now() - timedelta(days=1)
    return [difference.kind for difference in reconcile(since=since, dry_run=dry_run)]


def test_what_no_event_reported_is_repaired(unheard: None, owner: Any) -> None:
    kinds = run()
    assert sorted(set(kinds)) == ["checkout", "event", "refund"]
    assert Payment.objects.count() == 2
    assert Refund.objects.get().credits_revoked == 50
    assert Subscription.objects.get().status == "active"
    assert balance(owner) == 350
    assert run() == []


def test_a_dry_run_reports_and_writes_nothing(unheard: None, owner: Any) -> None:
    assert "checkout" in run(dry_run=True)
    assert not Payment.objects.exists()
    assert not Subscription.objects.exists()
    assert balance(owner) == 0


class ReadOnly(RecordingHTTPClient):
    """Fails at each request that would change something."""

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        assert method.upper() == "GET", f"{method} {url}"
        return super().request(method, url, *args, **kwargs)


def test_a_dry_run_writes_nothing_at_stripe(
    shop: Sandbox, owner: Any, basic: StripePrice, capsys: Any, use_client: UseClient
) -> None:
    """Otherwise the customer's new card would be written to the subscription."""
    shop.pay(open_signup(owner, basic))
    shop.deliver()
    customer = StripeCustomer.objects.get()
    with shop.world() as world:
        portal.save_method(world, customer.stripe_id or "", find_method("bank_success"))
    before = list(StripeCustomer.objects.values())
    use_client(ReadOnly(shop))
    call_command("reconcile_stripe", "--dry-run")
    assert "would be sent to Stripe" in capsys.readouterr().out
    assert list(StripeCustomer.objects.values()) == before


def test_within_a_dry_run_stripe_is_only_read(shop: Sandbox, owner: Any) -> None:
    with dry_run(), pytest.raises(WouldWriteError, match="POST /v1/customers would be sent"):
        customers.ensure(owner)
    assert not StripeCustomer.objects.exists()
    assert customers.ensure(owner).stripe_id


@pytest.mark.parametrize("options", [[], ["--dry-run"]], ids=["repairing", "dry run"])
def test_strangers_on_a_shared_account_cost_one_list_each(
    shop: Sandbox, owner: Any, options: list[str], recorded: list[Recorded]
) -> None:
    client = get_client().v1
    method = client.payment_methods.create({"type": "card", "card": {"token": "tok_visa"}})
    price = StripePrice.objects.get(product__name="Basic plan", interval="month")
    for number in range(20):
        stranger = client.customers.create({"payment_method": method.id})
        client.subscriptions.create(
            {
                "customer": stranger.id,
                "items": [{"price": price.stripe_id}],
                "default_payment_method": client.customers.payment_methods.list(stranger.id)
                .data[0]
                .id,
            },
            {"idempotency_key": f"stranger{number}"},
        )
    charge = client.charges.list().data[0].id
    shop.refund(charge, amount=100)
    shop.dispute(charge)
    shop.deliver()
    recorded.clear()
    call_command("reconcile_stripe", *options)
    assert {request.path for request in recorded} == {
        "/v1/checkout/sessions", "/v1/subscriptions", "/v1/invoices", "/v1/refunds",
        "/v1/disputes", "/v1/events",
    }  # fmt: skip
    assert len(recorded) < 10


def test_a_list_that_stripe_refuses_is_reported_and_the_rest_continues(
    unheard: None, shop: Sandbox, owner: Any, use_client: UseClient, capsys: Any
) -> None:
    class Limited(RecordingHTTPClient):
        def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
            if url.partition("?")[0].endswith("/v1/checkout/sessions"):
                error = {"error": {"message": "Too many requests", "type": "rate_limit"}}
                return json.dumps(error), 429, {}
            return super().request(method, url, *args, **kwargs)

    use_client(Limited(shop))
    with pytest.raises(CommandError, match="could not be compared"):
        call_command("reconcile_stripe")
    assert "checkout list: " in capsys.readouterr().out
    assert balance(owner) > 0


def test_the_late_events_change_nothing_after_it(unheard: None, shop: Sandbox, owner: Any) -> None:
    run()
    shop.deliver()
    assert Payment.objects.count() == 2
    assert balance(owner) == 350


def test_the_command(unheard: None, capsys: Any) -> None:
    call_command("reconcile_stripe", "--dry-run")
    assert "would be repaired" in capsys.readouterr().out
    assert not Payment.objects.exists()
    call_command("reconcile_stripe", "--days", "1")
    assert "0 could not be" in capsys.readouterr().out
    assert Payment.objects.count() == 2


def test_what_can_not_be_compared_is_reported_and_the_rest_continues(
    unheard: None, shop: Sandbox, owner: Any, use_client: UseClient
) -> None:
    class Partly(RecordingHTTPClient):
        def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
            if "/v1/refunds/" in url or "refunds?charge=" in url or "/v1/disputes/" in url:
                raise stripe.APIConnectionError("down")
            return super().request(method, url, *args, **kwargs)

    use_client(Partly(shop))
    with pytest.raises(CommandError, match="could not be compared"):
        call_command("reconcile_stripe")
    assert balance(owner) == 400


def test_customers_by_command(sandbox: Sandbox, owner: Any, capsys: Any) -> None:
    if not hasattr(owner, "email"):
        pytest.skip("These owners have no address.")
    customer = customers.ensure(owner)
    get_client().v1.customers.update(customer.stripe_id or "", {"name": "Ada L."})
    owner.email = "new@example.com"
    owner.save()

    call_command("sync_customers")

    assert "1 up to date, 0 gone, 0 failed." in capsys.readouterr().out
    row = StripeCustomer.objects.get()
    assert row.email == "new@example.com"
    remote = get_client().v1.customers.retrieve(row.stripe_id or "")
    assert remote.email == "new@example.com"
