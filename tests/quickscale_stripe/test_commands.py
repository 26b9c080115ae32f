"""What the commands report to programs, and what they leave alone in a dry run."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db.utils import ConnectionDoesNotExist
from django.utils import timezone

from quickscale_stripe.billing import customers
from quickscale_stripe.client import get_client
from quickscale_stripe.models import (
    Payment,
    StripeCustomer,
    StripeEvent,
    StripePrice,
    StripeProduct,
)
from quickscale_stripe_sandbox import Sandbox
from tests.owners import make_owner
from tests.quickscale_stripe.shopping import open_checkout

pytestmark = pytest.mark.django_db


def run_json(command: str, *args: Any, fails: str = "", **options: Any) -> Any:
    """Return a command's output; its status must be 0, or 1 with an error that has these words."""
    out = StringIO()
    if fails:
        with pytest.raises(CommandError, match=fails):
            call_command(command, *args, json=True, stdout=out, stderr=StringIO(), **options)
    else:
        call_command(command, *args, json=True, stdout=out, stderr=StringIO(), **options)
    return json.loads(out.getvalue())


def test_products_are_synced(shop: Sandbox, package: StripePrice) -> None:
    assert run_json("sync_products", "--verbosity=2", package.stripe_id) == {
        "synced": [package.stripe_id],
        "changed": [],
        "not_ours": [],
        "problems": [],
        "dry_run": False,
    }
    get_client().v1.prices.update(package.stripe_id, {"metadata": {"credits": "1,000"}})
    answer = run_json("sync_products")
    assert set(answer["synced"]) > {package.stripe_id, package.product.stripe_id}
    [problem] = answer["problems"]
    assert problem.startswith(f"{package.stripe_id} (")
    assert problem.endswith("Until then it brings 100.0000 credits.")


def test_products_are_pushed(shop: Sandbox, tmp_path: Path) -> None:
    file = tmp_path / "catalogue.json"
    product = {"id": "gallery", "name": "Gallery", "credits": 12, "prices": []}
    file.write_text(json.dumps({"products": [product]}))
    before = StripeProduct.objects.count()
    answer = run_json("push_products", str(file), dry_run=True)
    assert (len(answer["changes"]), answer["failed"], answer["dry_run"]) == (1, [], True)
    assert StripeProduct.objects.count() == before
    assert run_json("push_products", str(file)) == {**answer, "dry_run": False}
    assert StripeProduct.objects.count() == before + 1


def test_customers_are_synced(shop: Sandbox, owner: Any) -> None:
    customers.ensure(owner)
    counts = {"synced": 1, "changed": 0, "gone": 0, "failed": 0}
    assert run_json("sync_customers") == {**counts, "dry_run": False}


def test_a_dry_run_names_the_products_that_would_change(
    shop: Sandbox, package: StripePrice
) -> None:
    client = get_client().v1
    client.products.update(package.product.stripe_id, {"name": "Big pack"})
    made = client.prices.create(
        {
            "product": package.product.stripe_id,
            "unit_amount": 500,
            "currency": "usd",
            "metadata": {"credits": "7"},
        }
    ).id
    prices = StripePrice.objects.count()
    answer = run_json("sync_products", dry_run=True)
    assert set(answer["changed"]) == {package.product.stripe_id, made}
    package.product.refresh_from_db()
    assert (package.product.name, StripePrice.objects.count()) == ("Starter pack", prices)

    out = StringIO()
    call_command("sync_products", dry_run=True, stdout=out)
    assert f"{package.product.stripe_id}: name\n" in out.getvalue()
    assert f"{made}: new\n" in out.getvalue()
    assert "2 products and prices would change." in out.getvalue()
    assert run_json("sync_products")["changed"] == answer["changed"]
    assert run_json("sync_products", dry_run=True)["changed"] == []


def test_a_dry_run_names_the_customers_that_would_change(shop: Sandbox, owner: Any) -> None:
    here, there = customers.ensure(owner), customers.ensure(make_owner("bob@example.com"))
    client = get_client().v1.customers
    client.update(there.stripe_id or "", {"name": "Bob"})
    StripeCustomer.objects.filter(pk=here.pk).update(sent_name="Outdated")

    out = StringIO()
    call_command("sync_customers", dry_run=True, stdout=out)
    assert f"POST /v1/customers/{here.stripe_id} would be sent to Stripe." in out.getvalue()
    assert f"{there.stripe_id} ({there.owner}): name\n" in out.getvalue()
    assert "2 to change, 0 gone, 0 failed." in out.getvalue()
    there.refresh_from_db()
    assert there.name != "Bob"

    assert run_json("sync_customers")["changed"] == 1
    there.refresh_from_db()
    assert there.name == "Bob"
    assert run_json("sync_customers", dry_run=True)["changed"] == 0


def test_customers_are_adopted(shop: Sandbox, owner: Any, tmp_path: Path) -> None:
    customer = get_client().v1.customers.create({"name": "Ada"})
    file = tmp_path / "customers.csv"
    file.write_text(f"owner,customer\n{owner.pk},{customer.id}\nnobody@example.com,cus_1\n")
    answer = run_json("adopt_customers", str(file), dry_run=True, fails="Not possible: 1")
    assert answer == {
        "adopted": [{"owner": str(owner), "customer": customer.id}],
        "failed": ["Line 3: No user has the email address nobody@example.com."],
        "dry_run": True,
    }


def test_stripe_is_reconciled(shop: Sandbox, owner: Any, package: StripePrice) -> None:
    shop.pay(open_checkout(owner, package))
    answer = run_json("reconcile_stripe", dry_run=True)
    assert "checkout" in {found["kind"] for found in answer["differences"]}
    assert (answer["errors"], answer["dry_run"]) == (0, True)
    assert not Payment.objects.exists()
    assert run_json("reconcile_stripe")["differences"]
    assert Payment.objects.exists()
    assert run_json("reconcile_stripe") == {"differences": [], "errors": 0, "dry_run": False}


@pytest.fixture
def event() -> StripeEvent:
    return StripeEvent.objects.create(
        stripe_id="evt_1", type="x", livemode=False, payload={"a": 1}, status="processed",
        created_at=timezone.now(), received_at=timezone.now() - timedelta(days=40),
    )  # fmt: skip


def test_events_are_replayed(sandbox: Sandbox, event: StripeEvent) -> None:
    for options in ({"type": "x"}, {"status": ["processed"]}):
        answer = run_json("replay_events", dry_run=True, **options)
        assert answer == {"events": 1, "dry_run": True}
    assert run_json("replay_events", due=True, dry_run=True) == {"events": 0, "dry_run": True}
    event.refresh_from_db()
    assert event.status == "processed"
    assert run_json("replay_events", due=True) == {
        "done": 0,
        "failed": 0,
        "busy": 0,
        "dry_run": False,
    }


def test_payloads_are_dropped(event: StripeEvent) -> None:
    for dry_run in (True, False):
        answer = run_json("purge_events", days=30, dry_run=dry_run)
        assert answer == {"purged": 1, "dry_run": dry_run}
    assert run_json("purge_events", days=30)["purged"] == 0


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("export_products", {}),
        ("purge_events", {"days": 30}),
        ("purge_events", {"days": 30, "dry_run": True}),
        ("verify_mrr", {}),
    ],
)
def test_a_command_uses_the_database_that_is_given(command: str, options: dict[str, Any]) -> None:
    with pytest.raises(ConnectionDoesNotExist):
        call_command(command, database="nowhere", **options)


def test_endpoints_are_made_and_checked(sandbox: Sandbox, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["example.com"]
    url = "https://example.com/stripe/webhook/"
    made = run_json("create_webhook_endpoint", url.rstrip("/"))
    assert made["url"] == url
    assert made["secret"].startswith("whsec_")
    found = run_json("check_webhook_endpoints")
    assert (found["endpoints"], found["problems"]) == ([made["id"]], [])
    assert len(found["others"]) == 1
    get_client().v1.webhook_endpoints.update(made["id"], {"disabled": True})
    assert len(run_json("check_webhook_endpoints", fails="is disabled")["problems"]) == 2


def test_movements_are_verified() -> None:
    assert run_json("verify_mrr") == {"problems": []}
