from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
import stripe
from django.core.management import CommandError, call_command
from django.test import Client

from quickscale_stripe import checks
from quickscale_stripe.catalogue import metadata, mirror, publishing
from quickscale_stripe.catalogue.publishing import PriceFields
from quickscale_stripe.client import get_client
from quickscale_stripe.exceptions import NotForSaleError
from quickscale_stripe.models import StripePrice, StripeProduct
from quickscale_stripe.testing import StripeOfTest
from quickscale_stripe_sandbox import Sandbox
from tests.quickscale_stripe.shopping import open_checkout, open_signup

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
    assert package not in [offer.price for offer in mirror.packages()]


def test_what_stripe_does_not_have_becomes_inactive(shop: Sandbox, package: StripePrice) -> None:
    StripeProduct.objects.filter(pk=package.product_id).update(stripe_id="prod_gone")
    StripePrice.objects.filter(pk=package.pk).update(stripe_id="price_gone")
    assert mirror.sync_product("prod_gone") is None
    assert mirror.sync_price("price_gone") is None
    package.refresh_from_db()
    assert (package.active, package.product.active) == (False, False)


def test_a_whole_sync_hides_what_is_no_longer_listed(shop: Sandbox, package: StripePrice) -> None:
    StripePrice.objects.filter(pk=package.pk).update(stripe_id="price_gone")
    list(mirror.sync_all())
    package.refresh_from_db()
    assert package.active is False


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


class TestForeign:
    """Prices of another product on the same Stripe account."""

    @pytest.fixture
    def plan(self, shop: Sandbox) -> stripe.Price:
        """Another product's plan, which doesn't say how many credits it brings."""
        return make_price(name="Other plan", recurring={"interval": "month"})

    @pytest.fixture
    def shirt(self, shop: Sandbox) -> stripe.Price:
        return make_price(name="T-shirt")

    @pytest.fixture(params=["by event", "by sync"])
    def mirrored(
        self, request: Any, shop: Sandbox, plan: stripe.Price, shirt: stripe.Price
    ) -> None:
        if request.param == "by event":
            shop.deliver()
        else:
            list(mirror.sync_all())

    @pytest.mark.usefixtures("mirrored")
    def test_is_neither_mirrored_nor_exported(self, capsys: Any) -> None:
        assert not StripeProduct.objects.filter(name__in=["Other plan", "T-shirt"]).exists()
        assert (StripeProduct.objects.count(), StripePrice.objects.count()) == (5, 7)
        call_command("export_products")
        assert "Other plan" not in capsys.readouterr().out

    def test_is_not_sold_even_where_it_is_known(
        self, shop: Sandbox, owner: Any, buyer: Client, plan: stripe.Price, shirt: stripe.Price
    ) -> None:
        """It is known because staff made a subscription to it by hand."""
        known = [mirror.get_price(price.id) for price in (plan, shirt)]
        rows = [price for price in known if price]
        assert not StripePrice.objects.offered().filter(pk__in=[row.pk for row in rows]).exists()
        assert "Other plan" not in buyer.get("/dashboard/plans/").content.decode()
        assert "T-shirt" not in buyer.get("/dashboard/buy-credits/").content.decode()
        opened = len(get_client().v1.checkout.sessions.list().data)
        for row, path in zip(rows, ("plans/subscribe/", "buy-credits/checkout/"), strict=True):
            buyer.post(f"/dashboard/{path}", {"price": row.pk, "reference": str(uuid4())})
        assert len(get_client().v1.checkout.sessions.list().data) == opened
        with pytest.raises(NotForSaleError):
            open_signup(owner, rows[0])
        with pytest.raises(NotForSaleError):
            open_checkout(owner, rows[1])

    def test_known_prices_stay_in_step(self, shop: Sandbox, shirt: stripe.Price) -> None:
        mirror.sync_price(shirt.id)
        get_client().v1.prices.update(shirt.id, {"nickname": "XL"})
        shop.deliver()
        assert StripePrice.objects.get(stripe_id=shirt.id).nickname == "XL"

    def test_that_gets_credits_becomes_ours(self, shop: Sandbox, shirt: stripe.Price) -> None:
        shop.deliver()
        get_client().v1.prices.update(shirt.id, {"metadata": {"credits": "5"}})
        shop.deliver()
        assert StripePrice.objects.offered().get(stripe_id=shirt.id).credits == 5

    def test_what_brings_no_credits_is_ours_when_it_says_so(self, shop: Sandbox) -> None:
        price = make_price(name="Support", metadata={"credits": "0"})
        shop.deliver()
        assert StripePrice.objects.offered().filter(stripe_id=price.id).exists()

    def test_is_counted_by_the_command(self, shirt: stripe.Price, capsys: Any) -> None:
        call_command("sync_products")
        assert "1 prices are not this site's" in capsys.readouterr().out
        call_command("sync_products", verbosity=2)
        assert f"{shirt.id}: not this site's" in capsys.readouterr().out

    def test_a_named_catalogue_has_its_own_prices_only(self, shop: Sandbox, settings: Any) -> None:
        own = make_price(name="Own", metadata={"catalogue": "acme"})
        by_product = make_price(name="Also own", product_metadata={"catalogue": "acme"})
        make_price(name="Other", metadata={"catalogue": "other", "credits": "10"})
        settings.QUICKSCALE_STRIPE_CATALOGUE = "acme"
        list(mirror.sync_all())
        offered = StripePrice.objects.offered().values_list("stripe_id", flat=True)
        assert sorted(offered) == sorted([own.id, by_product.id])
        settings.QUICKSCALE_STRIPE_CATALOGUE = ""
        list(mirror.sync_all())
        assert StripePrice.objects.offered().count() == 7


def test_a_test_finds_the_price_that_is_on_sale(shop: Sandbox, package: StripePrice) -> None:
    """An edit of the amount leaves the old price behind, archived."""
    changed = replace(PriceFields.of(package), unit_amount=1100)
    new = publishing.update_price(price=package, fields=changed, reference="a")
    assert StripeOfTest(shop).price("Starter pack") == new


class TestMalformed:
    """Metadata with a typing error."""

    def test_credits_keep_the_last_good_value(
        self, shop: Sandbox, package: StripePrice, capsys: Any
    ) -> None:
        get_client().v1.prices.update(package.stripe_id, {"metadata": {"credits": "1,000"}})
        shop.deliver()
        package.refresh_from_db()
        assert (package.credits, package.for_sale) == (100, True)
        [told] = checks.check_metadata(None, ["default"])
        assert "Metadata credits is “1,000”. Type 1000." in told.msg
        call_command("sync_products")
        assert "Type 1000. Until then it brings 100.0000 credits." in capsys.readouterr().err
        with pytest.raises(CommandError, match="Type 1000"):
            call_command("export_products")

        get_client().v1.prices.update(package.stripe_id, {"metadata": {"credits": "1000"}})
        shop.deliver()
        package.refresh_from_db()
        assert (package.credits, package.metadata_errors) == (1000, {})
        assert checks.check_metadata(None, ["default"]) == []

    def test_a_product_s_credits_keep_those_of_its_prices(self, shop: Sandbox) -> None:
        plan = StripePrice.objects.get(product__name="Basic plan", interval="month")
        get_client().v1.prices.update(plan.stripe_id, {"metadata": {"credits": ""}})
        get_client().v1.products.update(
            plan.product.stripe_id, {"metadata": {"credits": "3 00", "display_order": "first"}}
        )
        shop.deliver()
        plan.refresh_from_db()
        assert (plan.credits, plan.product.display_order) == (300, 11)
        assert plan.metadata_errors == {"credits": "3 00"}
        assert plan.product.metadata_errors == {"display_order": "first"}

    @pytest.mark.parametrize("key", ["credits", "credits_interval"])
    def test_a_new_price_is_not_sold_until_it_can_be_read(
        self, shop: Sandbox, key: str, capsys: Any
    ) -> None:
        good = {"credits": "1000", "credits_interval": "month"}
        price = make_price(
            name="New plan", recurring={"interval": "year"}, metadata=good | {key: "monthly"}
        )
        shop.deliver()
        assert StripePrice.objects.get(stripe_id=price.id).metadata_errors == {key: "monthly"}
        assert not StripePrice.objects.offered().filter(stripe_id=price.id).exists()
        call_command("sync_products", price.id)
        assert "Until then it isn't sold." in capsys.readouterr().err
        get_client().v1.prices.update(price.id, {"metadata": good})
        shop.deliver()
        assert StripePrice.objects.offered().get(stripe_id=price.id).credits_come_monthly

    def test_a_price_that_was_not_ours_is_not_sold_for_nothing(self, shop: Sandbox) -> None:
        price = make_price(name="Plan", recurring={"interval": "month"})
        mirror.sync_price(price.id)
        get_client().v1.prices.update(price.id, {"metadata": {"credits": "1,000"}})
        shop.deliver()
        assert not StripePrice.objects.offered().filter(stripe_id=price.id).exists()

    def test_the_interval_keeps_the_last_good_value(self, shop: Sandbox) -> None:
        plan = StripePrice.objects.get(product__name="Basic plan", interval="year")
        get_client().v1.prices.update(plan.stripe_id, {"metadata": {"credits_interval": "monthly"}})
        shop.deliver()
        plan.refresh_from_db()
        assert plan.credits_come_monthly
        assert plan.metadata_errors == {"credits_interval": "monthly"}


@pytest.mark.parametrize(
    ("text", "amount"),
    [("100", "100"), (" 100 ", "100"), ("0", "0"), ("0.5", "0.5"), ("2.1250", "2.125"),
     ("0.125", "0.125"), ("1.50000", "1.5"), ("999999999999999.9999", "999999999999999.9999")],
)  # fmt: skip
def test_credits_are_read(text: str, amount: str) -> None:
    assert metadata.parse_credits(text) == Decimal(amount)
    assert metadata.parse_credits(metadata.credits_text(Decimal(amount))) == Decimal(amount)


@pytest.mark.parametrize(
    ("text", "hint"),
    [("1,000", "Type 1000."), ("1'000.5", "Type 1000.5."), ("3 00", "Type 300."),
     ("1_000", "Type 1000."), ("10,000,000", "Type 10000000."),
     ("1.000", "Type 1000, or 1.0000 for a fraction."),
     ("0.00001", "Use at most 4 decimal places."),
     *((text, "Type digits, with a point before decimals, such as 1000 or 2.5.")
       for text in ("many", "-5", "NaN", "Infinity", "1e3", "1,5", "300 credits", "9" * 16, "٣")),
     ],
)  # fmt: skip
def test_credits_that_can_not_be_read_say_what_to_type(text: str, hint: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(hint)}$"):
        metadata.parse_credits(text)


def make_price(
    *,
    name: str,
    metadata: dict[str, str] | None = None,
    product_metadata: dict[str, str] | None = None,
    recurring: Any = None,
) -> stripe.Price:
    """Make a product with one price of 25.00 USD at Stripe."""
    products, prices = get_client().v1.products, get_client().v1.prices
    product = products.create({"name": name, "metadata": product_metadata or {}})
    params: Any = {"product": product.id, "currency": "usd", "unit_amount": 2500}
    if metadata:
        params["metadata"] = metadata
    if recurring:
        params["recurring"] = recurring
    return prices.create(params)


def test_a_product_with_all_of_its_prices(shop: Sandbox, package: StripePrice) -> None:
    StripePrice.objects.filter(product=package.product).update(nickname="old")
    gone = StripePrice.objects.create(
        product=package.product, stripe_id="price_gone", currency="usd", synced_at=package.synced_at
    )
    mirror.sync_with_prices(package.product.stripe_id)
    gone.refresh_from_db()
    package.refresh_from_db()
    assert (package.nickname, package.active, gone.active) == ("", True, False)
    StripeProduct.objects.filter(pk=package.product_id).update(stripe_id="prod_gone")
    assert mirror.sync_with_prices("prod_gone") is None
    package.refresh_from_db()
    assert package.active is False


def test_a_whole_sync_leaves_the_other_mode_alone(shop: Sandbox, package: StripePrice) -> None:
    StripePrice.objects.filter(pk=package.pk).update(stripe_id="price_live", livemode=True)
    list(mirror.sync_all())
    package.refresh_from_db()
    assert package.active is True


def test_all_products_are_named_also_those_that_stripe_no_longer_has(
    shop: Sandbox, package: StripePrice
) -> None:
    StripeProduct.objects.filter(pk=package.product_id).update(stripe_id="prod_gone")
    ids = mirror.product_ids()
    assert "prod_gone" in ids
    assert len(ids) == len(set(ids)) == 6
