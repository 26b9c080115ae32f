from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from quickscale_stripe import customers
from quickscale_stripe.client import get_client
from quickscale_stripe.exceptions import StripeUnavailableError
from quickscale_stripe.models import Payment, Refund, StripeCustomer, StripePrice, Subscription
from quickscale_stripe.reconcile import reconcile
from quickscale_stripe.sandbox import Sandbox
from tests.quickscale_stripe.shopping import balance, open_checkout
from tests.quickscale_stripe.test_subscriptions import basic, open_signup

__all__ = ["basic"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def unheard(shop: Sandbox, owner: Any, package: StripePrice, basic: StripePrice) -> None:
    """A purchase with a refund of a third and a subscription, of which no event arrives."""
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


def test_what_no_event_told_is_mended(unheard: None, owner: Any) -> None:
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


def test_the_late_events_change_nothing_after_it(unheard: None, shop: Sandbox, owner: Any) -> None:
    run()
    shop.deliver()
    assert Payment.objects.count() == 2
    assert balance(owner) == 350


def test_the_command(unheard: None, capsys: Any) -> None:
    call_command("reconcile_stripe", "--dry-run")
    assert "would be mended" in capsys.readouterr().out
    assert not Payment.objects.exists()
    call_command("reconcile_stripe", "--days", "1")
    assert "0 could not be" in capsys.readouterr().out
    assert Payment.objects.count() == 2


def test_what_can_not_be_compared_is_told_and_the_rest_goes_on(
    unheard: None, owner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(session_id: str) -> None:
        raise StripeUnavailableError("down")

    monkeypatch.setattr("quickscale_stripe.subscriptions.sync", refuse)
    with pytest.raises(CommandError, match="could not be compared"):
        call_command("reconcile_stripe")
    assert balance(owner) == 50


def test_customers_by_command(sandbox: Sandbox, owner: Any, capsys: Any) -> None:
    if not hasattr(owner, "email"):
        pytest.skip("These owners have no address.")
    customer = customers.ensure(owner)
    get_client().v1.customers.update(customer.stripe_id or "", {"name": "Ada L."})
    owner.email = "new@example.com"
    owner.save()

    call_command("sync_customers")

    assert "1 customers" in capsys.readouterr().out
    row = StripeCustomer.objects.get()
    assert row.email == "new@example.com"
    remote = get_client().v1.customers.retrieve(row.stripe_id or "")
    assert remote.email == "new@example.com"
