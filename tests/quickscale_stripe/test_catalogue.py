from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import stripe
from django.core.management import CommandError, call_command

from quickscale_stripe import catalogue
from quickscale_stripe.client import get_client
from quickscale_stripe.models import StripePrice, StripeProduct
from quickscale_stripe.sandbox import Sandbox

pytestmark = pytest.mark.django_db


def test_all_of_the_catalogue(shop: Sandbox) -> None:
    names = ["Starter pack", "Studio pack", "Workshop pack", "Basic plan", "Pro plan"]
    assert [product.name for product in StripeProduct.objects.all()] == names
    yearly = StripePrice.objects.get(product__name="Pro plan", interval="year")
    assert (yearly.currency, yearly.unit_amount) == ("usd", 49000)
    assert yearly.credits == 12000
    assert yearly.is_subscription
    assert yearly.product.features == ["All services", "Priority support"]


def test_changes_at_stripe_come_by_event(shop: Sandbox, package: StripePrice) -> None:
    client = get_client().v1
    client.products.update(package.product.stripe_id, {"name": "Beginner pack"})
    client.prices.update(package.stripe_id, {"metadata": {"credits": "120"}})
    shop.deliver()
    package.refresh_from_db()
    assert (package.product.name, package.credits) == ("Beginner pack", 120)


def test_the_product_s_credits_count_where_the_price_has_none(
    shop: Sandbox, package: StripePrice
) -> None:
    client = get_client().v1
    client.products.update(package.product.stripe_id, {"metadata": {"credits": "77"}})
    client.prices.update(package.stripe_id, {"metadata": {"credits": ""}})
    shop.deliver()
    package.refresh_from_db()
    assert package.credits == 77


def test_what_is_archived_is_hidden_and_kept(shop: Sandbox, package: StripePrice) -> None:
    get_client().v1.products.update(package.product.stripe_id, {"default_price": ""})
    get_client().v1.prices.update(package.stripe_id, {"active": False})
    shop.deliver()
    package.refresh_from_db()
    assert package.active is False
    assert package not in [offer.price for offer in catalogue.packages()]


def test_what_stripe_does_not_have_becomes_inactive(shop: Sandbox, package: StripePrice) -> None:
    StripeProduct.objects.filter(pk=package.product_id).update(stripe_id="prod_gone")
    StripePrice.objects.filter(pk=package.pk).update(stripe_id="price_gone")
    assert catalogue.sync_product("prod_gone") is None
    assert catalogue.sync_price("price_gone") is None
    package.refresh_from_db()
    assert (package.active, package.product.active) == (False, False)


def test_a_whole_sync_hides_what_is_no_longer_listed(shop: Sandbox, package: StripePrice) -> None:
    StripePrice.objects.filter(pk=package.pk).update(stripe_id="price_gone")
    list(catalogue.sync_all())
    package.refresh_from_db()
    assert package.active is False


@pytest.mark.parametrize(
    ("text", "credits"),
    [("100", "100"), ("0.5", "0.5"), ("", "0"), ("many", "0"), ("-5", "0"), ("NaN", "0"),
     ("1e99", "0"), ("0.00001", "0"), ("Infinity", "0")],
)  # fmt: skip
def test_metadata_that_is_no_amount_counts_as_none(text: str, credits: str) -> None:  # noqa: A002
    assert catalogue.parse_credits(text) == Decimal(credits)


def test_the_command(shop: Sandbox, package: StripePrice, capsys: Any) -> None:
    StripeProduct.objects.update(name="x")
    StripePrice.objects.update(nickname="x")
    call_command("sync_products", package.product.stripe_id)
    package.refresh_from_db()
    assert package.nickname == ""
    assert StripeProduct.objects.exclude(name="x").count() == 1
    call_command("sync_products")
    assert not StripeProduct.objects.filter(name="x").exists()
    assert "12 products and prices are up to date" in capsys.readouterr().out
    with pytest.raises(CommandError, match="no price_none"):
        call_command("sync_products", "price_none")


def test_the_command_without_keys(settings: Any) -> None:
    with pytest.raises(CommandError, match="QUICKSCALE_STRIPE_SECRET_KEY"):
        call_command("sync_products")


def test_the_webhook_endpoint_command(sandbox: Sandbox, capsys: Any) -> None:
    call_command("create_webhook_endpoint", "https://example.com/stripe/webhook/")
    assert "STRIPE_WEBHOOK_SECRET=whsec_" in capsys.readouterr().out
    (endpoint,) = [
        found
        for found in get_client().v1.webhook_endpoints.list().data
        if found.url.startswith("https")
    ]
    assert endpoint.api_version == stripe.api_version
    assert "invoice.paid" in endpoint.enabled_events
    assert "charge.dispute.funds_withdrawn" in endpoint.enabled_events


def test_a_product_with_all_of_its_prices(shop: Sandbox, package: StripePrice) -> None:
    StripePrice.objects.filter(product=package.product).update(nickname="old")
    gone = StripePrice.objects.create(
        product=package.product, stripe_id="price_gone", currency="usd", synced_at=package.synced_at
    )
    catalogue.sync_with_prices(package.product.stripe_id)
    gone.refresh_from_db()
    package.refresh_from_db()
    assert (package.nickname, package.active, gone.active) == ("", True, False)
    StripeProduct.objects.filter(pk=package.product_id).update(stripe_id="prod_gone")
    assert catalogue.sync_with_prices("prod_gone") is None
    package.refresh_from_db()
    assert package.active is False


def test_a_whole_sync_leaves_the_other_mode_alone(shop: Sandbox, package: StripePrice) -> None:
    StripePrice.objects.filter(pk=package.pk).update(stripe_id="price_live", livemode=True)
    list(catalogue.sync_all())
    package.refresh_from_db()
    assert package.active is True


def test_all_products_are_named_also_those_that_stripe_lost(
    shop: Sandbox, package: StripePrice
) -> None:
    StripeProduct.objects.filter(pk=package.product_id).update(stripe_id="prod_gone")
    ids = catalogue.product_ids()
    assert "prod_gone" in ids
    assert len(ids) == len(set(ids)) == 6
