"""Products and prices that are made and changed here, and what Stripe has afterwards."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
import stripe

from quickscale_stripe.catalogue import mirror, publishing
from quickscale_stripe.catalogue.publishing import PriceFields, ProductFields
from quickscale_stripe.client import get_client, using
from quickscale_stripe.exceptions import (
    NotEditableError,
    PaymentsOffError,
    StripeRefusedError,
    StripeUnavailableError,
)
from quickscale_stripe.models import StripePrice, StripeProduct
from quickscale_stripe_sandbox import Sandbox
from quickscale_stripe_sandbox.recording import RecordingHTTPClient
from tests.quickscale_stripe.conftest import Unreachable, UseClient

pytestmark = pytest.mark.django_db


@pytest.fixture
def product(package: StripePrice) -> StripeProduct:
    return package.product


def remote_price(price: StripePrice) -> stripe.Price:
    return get_client().v1.prices.retrieve(price.stripe_id)


def remote_product(product: StripeProduct) -> stripe.Product:
    return get_client().v1.products.retrieve(product.stripe_id)


def broken_at(number: int, shop: Sandbox, *, arrives: bool) -> RecordingHTTPClient:
    """A client whose request of this number fails, before or after it has reached Stripe."""
    sent = []

    class Broken(RecordingHTTPClient):
        def request(self, *args: Any, **kwargs: Any) -> Any:
            sent.append(args[:2])
            if len(sent) == number and not arrives:
                raise stripe.APIConnectionError("lost")
            answer = super().request(*args, **kwargs)
            if len(sent) == number:
                raise stripe.APIConnectionError("lost")
            return answer

    return Broken(shop)


FULL = ProductFields(
    name="Gallery pack",
    description="For exhibitions.",
    images=("https://example.com/gallery.png",),
    features=("5,000 credits", "Priority"),
    display_order=7,
    credits=Decimal("5000"),
    credits_interval="month",
)


class TestProducts:
    def test_are_made_at_stripe_and_mirrored(self, shop: Sandbox) -> None:
        row = publishing.create_product(fields=FULL, reference="a")
        assert ProductFields.of(row) == FULL
        remote = remote_product(row)
        assert remote.metadata.to_dict() == {
            "credits": "5000", "credits_interval": "month", "display_order": "7",
        }  # fmt: skip
        assert remote.images == ["https://example.com/gallery.png"]

    def test_are_made_once_for_each_reference(self, shop: Sandbox) -> None:
        made = {
            publishing.create_product(fields=FULL, reference=reference).stripe_id
            for reference in ("a", "a", "b")
        }
        assert len(made) == 2

    def test_may_have_an_id_of_the_site(self, shop: Sandbox) -> None:
        row = publishing.create_product(fields=FULL, reference="a", product_id="gallery")
        assert row.stripe_id == "gallery"

    def test_have_no_empty_metadata(self, shop: Sandbox) -> None:
        row = publishing.create_product(fields=ProductFields(name="Bare"), reference="a")
        assert remote_product(row).metadata.to_dict() == {"display_order": "0"}

    def test_are_edited_and_keep_metadata_of_others(
        self, shop: Sandbox, product: StripeProduct
    ) -> None:
        get_client().v1.products.update(product.stripe_id, {"metadata": {"crm": "42"}})
        row = publishing.update_product(product=product, fields=FULL)
        assert ProductFields.of(row) == FULL
        assert remote_product(row).metadata["crm"] == "42"
        emptied = ProductFields(name="Bare")
        assert ProductFields.of(publishing.update_product(product=row, fields=emptied)) == emptied
        assert remote_product(row).metadata.to_dict() == {"crm": "42", "display_order": "0"}

    def test_with_other_credits_carry_their_prices_along(
        self, shop: Sandbox, product: StripeProduct, package: StripePrice
    ) -> None:
        publishing.update_price(
            price=package, fields=replace(PriceFields.of(package), credits=None), reference="r"
        )
        fields = replace(ProductFields.of(product), credits=Decimal(250))
        publishing.update_product(product=product, fields=fields)
        package.refresh_from_db()
        assert package.credits == 250

    def test_send_nothing_when_nothing_differs(self, shop: Sandbox, product: StripeProduct) -> None:
        told = len(shop.events("product.updated"))
        publishing.update_product(product=product, fields=ProductFields.of(product))
        assert len(shop.events("product.updated")) == told

    def test_are_archived_and_restored(self, shop: Sandbox, product: StripeProduct) -> None:
        assert publishing.set_active(row=product, active=False).active is False
        assert remote_product(product).active is False
        assert mirror.packages()[0].price.product != product
        assert publishing.set_active(row=product, active=True).active is True


class TestPrices:
    def test_are_made_in_currencies_without_minor_units(
        self, shop: Sandbox, product: StripeProduct
    ) -> None:
        fields = PriceFields(
            currency="jpy", unit_amount=1200, lookup_key="pack-jpy", nickname="Yen",
            credits=Decimal("100.5"), display_order=2,
        )  # fmt: skip
        row = publishing.create_price(product=product, fields=fields, reference="a")
        assert PriceFields.of(row) == fields
        assert remote_price(row).unit_amount == 1200
        again = publishing.create_price(product=product, fields=fields, reference="a")
        assert again == row

    def test_are_made_for_intervals(self, shop: Sandbox, product: StripeProduct) -> None:
        fields = PriceFields(
            currency="eur", unit_amount=9900, interval="month", interval_count=3,
            credits=Decimal(900), credits_interval="month",
        )  # fmt: skip
        row = publishing.create_price(product=product, fields=fields, reference="a")
        assert PriceFields.of(row) == fields
        assert row.credits_come_monthly

    def test_stay_when_only_their_description_changes(
        self, shop: Sandbox, package: StripePrice
    ) -> None:
        fields = replace(
            PriceFields.of(package), nickname="New", credits=Decimal(120), display_order=4
        )
        row = publishing.update_price(price=package, fields=fields, reference="a")
        assert row == package
        assert (row.nickname, row.credits, row.display_order) == ("New", 120, 4)

    def test_of_another_amount_are_other_prices(self, shop: Sandbox, package: StripePrice) -> None:
        client = get_client().v1
        client.prices.update(
            package.stripe_id, {"lookup_key": "starter", "metadata": {"crm": "42"}}
        )
        package.refresh_from_db()
        fields = replace(
            PriceFields.of(package), unit_amount=1100, lookup_key="starter", credits=Decimal(110)
        )
        new = publishing.update_price(price=package, fields=fields, reference="a")
        package.refresh_from_db()
        assert new != package
        assert PriceFields.of(new) == fields
        assert (package.active, package.lookup_key, package.unit_amount) == (False, "", 900)
        assert remote_price(new).metadata["crm"] == "42"
        assert remote_product(package.product).default_price == new.stripe_id
        assert mirror.packages()[0].price == new

    def test_changed_twice_by_one_form_are_replaced_once(
        self, shop: Sandbox, package: StripePrice
    ) -> None:
        fields = replace(PriceFields.of(package), unit_amount=1100)
        made = {
            publishing.update_price(price=package, fields=fields, reference="a") for _ in range(2)
        }
        assert len(made) == 1
        assert StripePrice.objects.filter(product=package.product, active=True).count() == 1

    def test_subscriptions_keep_theirs(self, shop: Sandbox, owner: Any) -> None:
        from tests.quickscale_stripe.proof.world import World

        world = World(shop, owner)
        subscription = world.subscribe()
        price = world.price("Basic plan")
        new = publishing.update_price(
            price=price, fields=replace(PriceFields.of(price), unit_amount=2500), reference="a"
        )
        shop.deliver()
        assert world.known(subscription).price == price
        assert new.is_subscription
        assert {offer.price for offer in mirror.plans()} >= {new}

    def test_with_unsupported_parts_are_left_to_stripe(
        self, shop: Sandbox, product: StripeProduct
    ) -> None:
        made = get_client().v1.prices.create(
            {"product": product.stripe_id, "currency": "usd", "unit_amount": 5,
             "recurring": {"interval": "month", "usage_type": "metered"}}
        )  # fmt: skip
        row = mirror.sync_price(made.id)
        assert row
        with pytest.raises(NotEditableError):
            publishing.update_price(
                price=row, fields=replace(PriceFields.of(row), unit_amount=6), reference="a"
            )
        row.refresh_from_db()
        assert row.active

    def test_a_default_price_is_archived(self, shop: Sandbox, package: StripePrice) -> None:
        assert remote_product(package.product).default_price == package.stripe_id
        assert publishing.set_active(row=package, active=False).active is False
        assert remote_product(package.product).default_price is None

    def test_a_lookup_key_of_another_price_is_refused(
        self, shop: Sandbox, package: StripePrice
    ) -> None:
        fields = PriceFields(currency="usd", unit_amount=1, lookup_key="taken")
        publishing.create_price(product=package.product, fields=fields, reference="a")
        with pytest.raises(StripeRefusedError, match="lookup key"):
            publishing.create_price(product=package.product, fields=fields, reference="b")

    def test_what_stripe_does_not_have_is_reported(
        self, shop: Sandbox, package: StripePrice
    ) -> None:
        StripePrice.objects.filter(pk=package.pk).update(stripe_id="price_gone")
        package.refresh_from_db()
        with pytest.raises(StripeRefusedError) as caught:
            publishing.update_price(price=package, fields=PriceFields.of(package), reference="a")
        assert caught.value.is_missing


class TestTrouble:
    @pytest.mark.parametrize("amount", [900, 1100])
    def test_when_stripe_is_down_nothing_changes_here(
        self,
        shop: Sandbox,
        package: StripePrice,
        amount: int,
        use_client: UseClient,
    ) -> None:
        before = list(StripePrice.objects.order_by("pk").values())
        fields = replace(PriceFields.of(package), unit_amount=amount, credits=Decimal(1))

        use_client(Unreachable())
        with pytest.raises(StripeUnavailableError):
            publishing.update_price(price=package, fields=fields, reference="a")
        assert list(StripePrice.objects.order_by("pk").values()) == before

    @pytest.mark.parametrize("arrives", [True, False], ids=["answer lost", "request lost"])
    @pytest.mark.parametrize("number", range(1, 9))
    def test_an_edit_interrupted_anywhere_is_completed_by_the_same_edit(
        self,
        shop: Sandbox,
        package: StripePrice,
        number: int,
        arrives: bool,
    ) -> None:
        get_client().v1.prices.update(package.stripe_id, {"lookup_key": "starter"})
        mirror.sync_price(package.stripe_id)
        package.refresh_from_db()
        fields = replace(PriceFields.of(package), unit_amount=1100)

        def change() -> StripePrice:
            return publishing.update_price(price=package, fields=fields, reference="a")

        with using(broken_at(number, shop, arrives=arrives)), pytest.raises(StripeUnavailableError):
            change()
        new = change()
        on_sale = get_client().v1.prices.list(
            {"product": package.product.stripe_id, "active": True}
        )
        assert [price.id for price in on_sale.data] == [new.stripe_id]
        assert remote_product(package.product).default_price == new.stripe_id
        assert (new.lookup_key, new.unit_amount) == ("starter", 1100)
        assert StripePrice.objects.get(product=package.product, active=True) == new
        assert StripePrice.objects.get(lookup_key="starter") == new

    def test_without_keys(self, db: None) -> None:
        with pytest.raises(PaymentsOffError):
            publishing.create_product(fields=FULL, reference="a")
        assert not StripeProduct.objects.exists()


def test_a_slow_answer_brings_no_old_state_back(shop: Sandbox, package: StripePrice) -> None:
    old = get_client().v1.prices.retrieve(package.stripe_id, {"expand": ["product"]})
    asked = package.synced_at
    changed = replace(PriceFields.of(package), display_order=5)
    publishing.update_price(price=package, fields=changed, reference="a")
    mirror._write_price(old, asked)
    package.refresh_from_db()
    assert package.display_order == 5
