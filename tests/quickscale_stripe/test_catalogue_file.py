"""A catalogue in a file that is pushed to Stripe."""

from __future__ import annotations

import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from quickscale_stripe.catalogue import file, mirror
from quickscale_stripe.client import get_client
from quickscale_stripe.models import StripePrice, StripeProduct
from quickscale_stripe_sandbox import Sandbox, SandboxHTTPClient
from tests.quickscale_stripe.conftest import Unreachable, UseClient

pytestmark = pytest.mark.django_db

GALLERY: dict[str, Any] = {
    "id": "gallery",
    "name": "Gallery",
    "features": ["Wide"],
    "credits": 12.5,
    "prices": [
        {"currency": "usd", "unit_amount": 900, "lookup_key": "gallery"},
        {"currency": "JPY", "unit_amount": 1200, "interval": "month", "credits": 100},
    ],
}


@pytest.fixture
def push(tmp_path: Path, capsys: Any) -> Any:
    def run(*products: dict[str, Any], **options: Any) -> str:
        path = tmp_path / "catalogue.json"
        path.write_text(json.dumps({"products": products}))
        call_command("push_products", str(path), **options)
        told: str = capsys.readouterr().out
        return told

    return run


def test_makes_what_stripe_does_not_have_once(shop: Sandbox, push: Any) -> None:
    told = push(GALLERY)
    assert told.splitlines() == [
        "+ product gallery: Gallery",
        "+ price gallery of gallery",
        "+ price 1200 jpy every 1 month of gallery",
        "Changes made: 3.",
    ]
    product = StripeProduct.objects.get(stripe_id="gallery")
    assert [price.credits for price in product.prices.order_by("pk")] == [Decimal("12.5"), 100]
    assert push(GALLERY) == "Changes made: 0.\n"


def test_a_dry_run_reports_and_changes_nothing(shop: Sandbox, push: Any) -> None:
    push(GALLERY)
    told_before = len(shop.events())
    changed = {
        **GALLERY, "name": "Museum", "active": False,
        "prices": [{"currency": "usd", "unit_amount": 1100, "lookup_key": "gallery"}],
    }  # fmt: skip
    told = push(changed, dry_run=True, archive=True)
    price = StripePrice.objects.get(lookup_key="gallery")
    other = StripePrice.objects.get(product__stripe_id="gallery", currency="jpy")
    assert told.splitlines() == [
        '~ product gallery: name: "Gallery" -> "Museum"; active: true -> false',
        f"~ price {price.stripe_id}: unit_amount: 900 -> 1100 (makes a new price)",
        f"- price {other.stripe_id} (1200 jpy every 1 month) is not in the file",
        "Changes to make: 3.",
    ]
    assert len(shop.events()) == told_before
    assert StripeProduct.objects.get(stripe_id="gallery").name == "Gallery"

    push(changed, archive=True)
    assert StripeProduct.objects.get(stripe_id="gallery").name == "Museum"
    assert StripePrice.objects.get(lookup_key="gallery").unit_amount == 1100
    on_sale = StripePrice.objects.filter(product__stripe_id="gallery", active=True)
    assert on_sale.count() == 1
    assert push(changed, archive=True) == "Changes made: 0.\n"


def test_prices_that_the_file_lacks_stay_by_default(shop: Sandbox, push: Any) -> None:
    push(GALLERY)
    assert push({**GALLERY, "prices": []}) == "Changes made: 0.\n"
    assert StripePrice.objects.filter(product__stripe_id="gallery", active=True).count() == 2


def test_archived_prices_come_back_and_prices_without_a_key_get_one(
    shop: Sandbox, push: Any, package: StripePrice
) -> None:
    entry: dict[str, Any] = {
        "id": package.product.stripe_id,
        "name": "Starter pack",
        "prices": [
            {"currency": "usd", "unit_amount": 900, "credits": 100},
            {"currency": "usd", "unit_amount": 900, "lookup_key": "starter", "credits": "100.5"},
        ],
    }
    client = get_client().v1
    client.products.update(package.product.stripe_id, {"default_price": ""})
    client.prices.update(package.stripe_id, {"active": False})
    push({**entry, "prices": entry["prices"][1:]})
    package.refresh_from_db()
    assert (package.active, package.lookup_key) == (True, "starter")
    told = push(entry)
    assert told.splitlines() == [
        f"+ price 900 usd of {package.product.stripe_id}", "Changes made: 1.",
    ]  # fmt: skip
    package.refresh_from_db()
    assert (package.lookup_key, package.credits) == ("starter", Decimal("100.5"))


def test_what_is_exported_is_what_stripe_has(
    shop: Sandbox, push: Any, capsys: Any, monkeypatch: pytest.MonkeyPatch, use_client: UseClient
) -> None:
    push(GALLERY)
    call_command("export_products")
    exported = capsys.readouterr().out
    assert len(json.loads(exported)["products"]) == 6
    monkeypatch.setattr("sys.stdin", io.StringIO(exported))
    call_command("push_products", "-", archive=True)
    assert capsys.readouterr().out == "Changes made: 0.\n"

    other = Sandbox(":memory:")
    use_client(SandboxHTTPClient(other))
    monkeypatch.setattr("sys.stdin", io.StringIO(exported))
    call_command("push_products", "-")
    capsys.readouterr()
    call_command("export_products")
    assert json.loads(capsys.readouterr().out) == json.loads(exported)
    other.close()


def test_prices_without_an_amount_are_left_alone(shop: Sandbox, push: Any, capsys: Any) -> None:
    push(GALLERY)
    get_client().v1.prices.create(
        {"product": "gallery", "currency": "usd", "unit_amount_decimal": Decimal("0.5")}
    )
    assert push(GALLERY, archive=True) == "Changes made: 0.\n"
    call_command("export_products")
    assert "null" not in capsys.readouterr().out


def test_a_refusal_is_reported_and_the_rest_continues(
    shop: Sandbox, push: Any, package: StripePrice, capsys: Any
) -> None:
    get_client().v1.prices.update(package.stripe_id, {"lookup_key": "gallery"})
    with pytest.raises(CommandError, match="Changes made: 2, failed: 1"):
        push(GALLERY)
    assert "already uses that lookup key" in capsys.readouterr().err
    assert StripePrice.objects.filter(product__stripe_id="gallery").count() == 1


def test_when_stripe_is_down_it_stops(shop: Sandbox, push: Any, use_client: UseClient) -> None:
    use_client(Unreachable())
    with pytest.raises(CommandError, match="no route"):
        push(GALLERY)
    assert not StripeProduct.objects.filter(stripe_id="gallery").exists()


def test_without_keys_or_a_file_it_says_so(db: None, push: Any) -> None:
    with pytest.raises(CommandError, match="QUICKSCALE_STRIPE_SECRET_KEY"):
        push(GALLERY)
    with pytest.raises(CommandError, match="No such file"):
        call_command("push_products", "/nowhere/catalogue.json")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "not JSON"),
        ("[]", 'no list "products"'),
        ('{"products": 1}', 'no list "products"'),
        ('{"products": [1]}', r"products\[0\]: give an object"),
        ('{"products": [{"name": "x"}]}', 'give an "id"'),
        ('{"products": [{"id": "a"}]}', "'name' is missing"),
        ('{"products": [{"id": "a", "name": " "}]}', r"products\[0\].name: give a text"),
        ('{"products": [{"id": "a", "name": "x", "colour": 1}]}', "unknown field 'colour'"),
        ('{"products": [{"id": "a", "name": "x", "prices": 1}]}', "prices: give a list"),
        ('{"products": [{"id": "a", "name": "x", "images": "y"}]}', "a list of texts"),
        ('{"products": [{"id": "a", "name": "x", "active": 1}]}', "true or false"),
        ('{"products": [{"id": "a", "name": "x", "credits": -1}]}', "4 decimals"),
        ('{"products": [{"id": "a", "name": "x", "credits": 0.00001}]}', "4 decimals"),
        ('{"products": [{"id": "a", "name": "x", "credits": "many"}]}', "4 decimals"),
        ('{"products": [{"id": "a", "name": "x", "display_order": true}]}', "a whole number"),
        ('{"products": [{"id": "a", "name": "x"}, {"id": "a", "name": "y"}]}', "Two products"),
        ('{"products": [{"id": "a", "name": "x", "prices": [1]}]}', r"prices\[0\]: give an object"),
        (
            '{"products": [{"id": "a", "name": "x", "prices": [{"currency": "usd"}]}]}',
            "'unit_amount' is missing",
        ),
        (
            '{"products": [{"id": "a", "name": "x", "prices":'
            ' [{"currency": "usd", "unit_amount": 9.5}]}]}',
            "minor units",
        ),
        (
            '{"products": [{"id": "a", "name": "x", "prices":'
            ' [{"currency": "$", "unit_amount": 9}]}]}',
            "three letters",
        ),
        (
            '{"products": [{"id": "a", "name": "x", "prices":'
            ' [{"currency": "usd", "unit_amount": 9, "interval": "hour"}]}]}',
            '"day", "week"',
        ),
        (
            '{"products": [{"id": "a", "name": "x", "prices":'
            ' [{"currency": "usd", "unit_amount": 9, "lookup_key": "k"},'
            '  {"currency": "usd", "unit_amount": 8, "lookup_key": "k"}]}]}',
            "Two prices",
        ),
    ],
)
def test_a_file_that_is_wrong_is_refused_whole(content: str, complaint: str) -> None:
    with pytest.raises(file.BadFileError, match=complaint):
        file.read(content)


def test_the_mirror_is_updated_first(shop: Sandbox, push: Any, package: StripePrice) -> None:
    StripeProduct.objects.filter(pk=package.product_id).update(name="stale")
    entry = {"id": package.product.stripe_id, "name": "Starter pack"}
    assert "name:" not in push(entry, dry_run=True)
    assert mirror.packages()[0].price.product.name == "stale"
    assert "name:" not in push(entry)
    assert mirror.packages()[0].price.product.name == "Starter pack"
