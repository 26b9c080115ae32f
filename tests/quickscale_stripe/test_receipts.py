from __future__ import annotations

import hashlib
import io
import logging
import sys
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from babel.numbers import list_currencies
from django.conf.global_settings import LANGUAGES
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone, translation
from fontTools.ttLib import TTFont
from PIL import Image
from pypdf import PdfReader
from pytest_django import Settings

from quickscale.errors import MissingExtraError
from quickscale.formats import format_money
from quickscale_stripe import checks
from quickscale_stripe.models import Payment, Refund, StripePrice, Subscription
from quickscale_stripe.receipts import pdf, receipt
from quickscale_stripe_sandbox import Sandbox
from tests.quickscale_stripe.shopping import open_checkout, open_signup
from tests.quickscale_stripe.test_pages import text_of
from tests.quickscale_stripe.test_subscriptions import basic, subscribed

__all__ = ["basic", "subscribed"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def paid(shop: Sandbox, owner: Any, package: StripePrice) -> Payment:
    shop.pay(open_checkout(owner, package))
    shop.deliver()
    return Payment.objects.get()


def page_of(payment: Payment) -> str:
    return f"/dashboard/payments/{payment.pk}/receipt/"


def pdf_of(payment: Payment) -> str:
    return f"/dashboard/payments/{payment.pk}/receipt.pdf"


def read(content: bytes) -> str:
    return " ".join(
        " ".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages).split()
    )


def made(owner: Any, **fields: Any) -> Payment:
    """Make a paid payment without a sandbox."""
    facts = {"kind": "one_time", "amount": 1250, "currency": "usd", "created_at": timezone.now()}
    facts |= fields
    payment = Payment.objects.create(owner=owner, **{"total": facts["amount"]} | facts)
    payment.mark_paid(timezone.now())
    payment.save()
    return payment


def test_page_and_pdf_say_the_same(
    paid: Payment, buyer: Client, settings: Any, django_assert_max_num_queries: Any
) -> None:
    settings.QUICKSCALE_STRIPE_SELLER_NAME = "Example GmbH"
    settings.QUICKSCALE_STRIPE_SELLER_ADDRESS = "Some street 1\n12345 Some town"
    settings.QUICKSCALE_STRIPE_SELLER_TAX_ID = "VAT DE123456789"
    with django_assert_max_num_queries(7):
        page = buyer.get(page_of(paid))
    with django_assert_max_num_queries(4):
        response = buyer.get(pdf_of(paid))

    assert response["Content-Type"] == "application/pdf"
    assert (
        f'attachment; filename="receipt-{paid.receipt_number}.pdf"'
        in response["Content-Disposition"]
    )
    assert pdf_of(paid) in page.text
    for fact in (
        "Example GmbH",
        "Some street 1",
        "12345 Some town",
        "VAT DE123456789",
        f"Receipt {paid.receipt_number}",
        "ada@example.com",
        "Starter pack (100 credits)",
        "Total paid $9.00",
    ):
        assert fact in text_of(page)
        assert fact in read(response.content)
    document = PdfReader(io.BytesIO(response.content))
    assert document.metadata
    assert document.metadata.title == f"Receipt {paid.receipt_number}, Example GmbH"
    assert document.trailer["/Root"]["/Lang"] == "en"


def test_what_was_paid_stays_when_the_customer_and_the_product_change(
    paid: Payment, buyer: Client, owner: Any
) -> None:
    owner.email = "new@example.com"
    owner.save()
    assert paid.price
    paid.price.product.name = "Renamed pack"
    paid.price.product.save()
    text = read(buyer.get(pdf_of(paid)).content)
    assert "ada@example.com" in text
    assert "Starter pack" in text


def test_an_invoice_has_its_lines_with_their_periods(
    subscribed: Subscription, buyer: Client
) -> None:
    payment = Payment.objects.get()
    text = read(buyer.get(pdf_of(payment)).content)
    assert subscribed.current_period_end
    assert f"\N{EN DASH} {receipt.local_date(subscribed.current_period_end)}" in text
    assert "Basic plan" in text
    assert "300 credits" in text


def test_tax_discount_and_refunds_lead_to_the_totals(owner: Any, buyer: Client) -> None:
    payment = made(
        owner,
        amount=1071,
        tax=171,
        amount_refunded=500,
        receipt_details={
            "lines": [{"description": "Seats", "quantity": 3, "amount": 1000}],
            "discount": 100,
            "buyer": {
                "name": "Ada Ltd",
                "email": "bills@example.com",
                "address": ["High Street 2", "N1 London"],
                "tax_ids": ["GB123"],
            },
        },
    )
    for status in ("succeeded", "failed"):
        Refund.objects.create(
            payment=payment, stripe_id=status, amount=500, currency="usd", status=status,
            created_at=timezone.now(), synced_at=timezone.now(),
        )  # fmt: skip
    today = receipt.local_date(timezone.now())
    facts = (
        "Ada Ltd High Street 2 N1 London GB123 bills@example.com",
        "3 \N{MULTIPLICATION SIGN} Seats $10.00",
        "Discount \N{MINUS SIGN}$1.00 Tax $1.71 Total paid $10.71",
        f"Refunded on {today} \N{MINUS SIGN}$5.00 Total after refunds $5.71",
    )
    for text in (text_of(buyer.get(page_of(payment))), read(buyer.get(pdf_of(payment)).content)):
        for fact in facts:
            assert fact in text


@pytest.mark.parametrize("code", ["", "WELCOME"])
def test_what_stripe_charged_adds_up(
    settings: Any, shop: Sandbox, owner: Any, package: StripePrice, basic: StripePrice, code: str
) -> None:
    settings.QUICKSCALE_STRIPE_ALLOW_PROMOTION_CODES = True
    settings.QUICKSCALE_STRIPE_AUTOMATIC_TAX = True
    for session in (open_checkout(owner, package), open_signup(owner, basic)):
        if code:
            assert shop.enter_code(session, code) == ""
        shop.pay(session)
    shop.deliver()
    labels = ["Discount"] if code else []
    for payment in Payment.objects.all():
        document = receipt.receipt_of(payment)
        assert [line.label for line in document.sums] == [*labels, "Tax", "Total paid"]
        parts = sum(line.amount for line in document.sums if not line.is_total)
        assert sum(line.amount for line in document.lines) + parts == payment.amount


def test_a_tax_that_the_price_contains_is_not_added(owner: Any, buyer: Client) -> None:
    details = {"lines": [{"description": "Pack", "quantity": 1, "amount": 1190}]}
    payment = made(owner, amount=1190, tax=190, receipt_details=details)
    assert "Total paid $11.90 Tax included $1.90" in text_of(buyer.get(page_of(payment)))


@pytest.mark.parametrize(
    ("total", "amount", "details", "told"),
    [
        (1000, 600, {"balance": 400}, [("Paid from your balance", -400)]),
        (-1000, 0, {"balance": -1000}, [("Added to your balance", 1000)]),
        (1000, 1200, {"balance": -200}, [("Owed from before", 200)]),
        (1000, 700, {"credited": 300}, [("Credit note", -300)]),
        (1000, 0, {}, [("Paid in another way", -1000)]),
        (
            1000,
            100,
            {"balance": 200, "credited": 300},
            [
                ("Paid from your balance", -200),
                ("Credit note", -300),
                ("Paid in another way", -400),
            ],
        ),
    ],
)
def test_the_receipt_explains_the_difference_of_total_and_amount_paid(
    owner: Any, total: int, amount: int, details: dict[str, int], told: list[tuple[str, int]]
) -> None:
    lines = [{"description": "Plan", "quantity": 1, "amount": total}]
    payment = made(owner, total=total, amount=amount, receipt_details={"lines": lines} | details)
    sums = [(one.label, one.amount) for one in receipt.receipt_of(payment).sums]
    assert sums == [("Total", total), *told, ("Paid", amount)]
    assert total + sum(money for _, money in told) == amount


@pytest.mark.parametrize(
    ("currency", "amount", "language", "text"),
    [
        ("jpy", 1250, "en", "¥1,250"),
        ("kwd", 1250, "en", "KWD 1.250"),
        ("eur", 123456, "de", "1.234,56 €"),
    ],
)
def test_amounts_have_the_currency_s_decimals_in_the_reader_s_locale(
    owner: Any, currency: str, amount: int, language: str, text: str
) -> None:
    payment = made(owner, amount=amount, currency=currency)
    with translation.override(language):
        drawn = pdf.draw(receipt.receipt_of(payment))
    assert text in read(drawn)


def test_dates_are_in_the_site_s_time_zone_for_every_reader(owner: Any, buyer: Client) -> None:
    payment = made(owner)
    payment.paid_at = datetime(2026, 11, 21, 23, 30, tzinfo=UTC)
    payment.save()
    with timezone.override("Pacific/Auckland"):
        drawn = pdf.draw(receipt.receipt_of(payment))
        page = text_of(buyer.get(page_of(payment)))
    assert "Paid on Nov. 21, 2026" in read(drawn)
    assert "Paid on Nov. 21, 2026" in page


def test_names_of_many_scripts_are_drawn(owner: Any, caplog: pytest.LogCaptureFixture) -> None:
    buyer = {"name": "Ζωή Юлия Łódź Հայ ქართ", "email": "a@example.com"}
    with caplog.at_level(logging.WARNING, "fpdf"):
        drawn = pdf.draw(receipt.receipt_of(made(owner, receipt_details={"buyer": buyer})))
    assert buyer["name"] in read(drawn)
    assert not caplog.records


NOT_COVERED = {"bn", "hi", "ja", "km", "kn", "ko", "ml", "mr", "ne", "pa", "ta", "te", "th"}
NOT_COVERED |= {"zh-hans", "zh-hant"}
# Currency signs that DejaVu Sans lacks: dram, afghani, manat, lari, and the wide yen.
LACKING = set("֏؋₼₾￥")


@pytest.mark.parametrize("language", sorted({code for code, _ in LANGUAGES} - NOT_COVERED))
def test_money_and_dates_of_a_language_are_in_the_font(language: str) -> None:
    days = [datetime(2026, month, 20, tzinfo=UTC) for month in range(1, 13)]
    with translation.override(language):
        texts = [receipt.local_date(day) for day in days]
        texts += [format_money(-1234567, code.lower()) for code in sorted(list_currencies())]
    assert set("".join(texts)) - drawn_characters() <= LACKING


@pytest.mark.parametrize(
    "text",
    [
        "Nguyễn Thị Ánh",
        "Łukasz Żółć",
        "Ђорђе Ћосић",
        "Ғалымжан Қаңтар",
        "Ọlájídé",
        "שָׁלוֹם",
        "“Ltd.” №5 \N{EN DASH} 3 \N{MULTIPLICATION SIGN} ½ → 20 °C… ✓™",
    ],
)
def test_names_and_signs_are_in_the_font(text: str) -> None:
    assert set(text) <= drawn_characters()


@cache
def drawn_characters() -> set[str]:
    return {chr(code) for code in TTFont(pdf.FONT).getBestCmap()}


def test_very_long_names_and_many_lines_wrap_and_go_on_over_pages(owner: Any) -> None:
    line = {"description": "A long name " * 40, "quantity": 1, "amount": 1}
    details = {
        "lines": [line] * receipt.MAX_LINES,
        "buyer": {"name": "x" * 500, "email": "a@example.com"},
    }
    drawn = pdf.draw(receipt.receipt_of(made(owner, receipt_details=details)))
    text = read(drawn)
    assert len(PdfReader(io.BytesIO(drawn)).pages) > 1
    assert text.count("A long name") == 40 * receipt.MAX_LINES
    assert text.replace(" ", "").count("x" * 500) == 1
    assert "Total paid" in text


def test_many_lines_are_kept_as_one(shop: Sandbox, subscribed: Subscription) -> None:
    kept = receipt._bounded(
        [{"description": "Part", "quantity": 1, "amount": 2}] * (receipt.MAX_LINES + 5), 50
    )
    assert len(kept) == receipt.MAX_LINES + 1
    assert kept[-1]["amount"] == 10


def test_only_its_owner_and_only_a_paid_payment_has_one(paid: Payment, buyer: Client) -> None:
    stranger = Client()
    stranger.force_login(get_user_model().objects.create_user(email="eve@example.com"))
    assert stranger.get(pdf_of(paid)).status_code == 404
    assert stranger.get(page_of(paid)).status_code == 404
    assert Client().get(pdf_of(paid)).status_code == 302
    Payment.objects.update(paid_at=None)
    assert buyer.get(pdf_of(paid)).status_code == 404
    assert buyer.get(page_of(paid)).status_code == 404


def test_without_the_extra_the_page_can_be_printed(
    paid: Payment, buyer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "fpdf", None)
    assert "PDF" not in text_of(buyer.get(page_of(paid)))
    assert "print this page" in text_of(buyer.get(pdf_of(paid), follow=True))
    with pytest.raises(MissingExtraError, match=r'pip install "quickscale\[pdf\]"'):
        pdf.draw(receipt.receipt_of(paid))


def test_the_pdf_has_the_brands_colour_and_logo(
    owner: Any, settings: Settings, tmp_path: Path
) -> None:
    def page_and_images() -> tuple[str, int]:
        content = pdf.draw(receipt.receipt_of(made(owner)))
        page = PdfReader(io.BytesIO(content)).pages[0]
        return page.get_contents().get_data().decode("latin-1"), len(page.images)

    drawn, images = page_and_images()
    assert images == 0
    Image.new("RGB", (180, 180), "red").save(tmp_path / "parrot.png")
    settings.STATICFILES_DIRS = [tmp_path]
    settings.QUICKSCALE_BRAND = {"icon": "parrot.png", "color": "#ff0000"}
    branded, images = page_and_images()
    assert images == 1
    assert "1 0 0 rg" in branded
    assert "1 0 0 rg" not in drawn


def test_another_font_draws_what_the_first_lacks(
    owner: Any, settings: Any, tmp_path: Any, caplog: pytest.LogCaptureFixture
) -> None:
    buyer = {"name": "\N{THAI CHARACTER KO KAI}", "email": "a@example.com"}
    document = receipt.receipt_of(made(owner, receipt_details={"buyer": buyer}))
    with caplog.at_level(logging.WARNING, "fpdf"):
        assert pdf.draw(document)
    assert "MISSING" in caplog.text.upper()
    caplog.clear()

    font = TTFont(pdf.FONT)
    for table in font["cmap"].tables:
        table.cmap[ord(buyer["name"])] = table.cmap[ord("A")]
    font.save(tmp_path / "thai.ttf")
    settings.QUICKSCALE_STRIPE_RECEIPT_FONTS = [tmp_path / "thai.ttf"]
    assert checks.check_fonts(None) == []
    with caplog.at_level(logging.WARNING, "fpdf"):
        assert buyer["name"] in read(pdf.draw(document))
    assert not caplog.records
    settings.QUICKSCALE_STRIPE_RECEIPT_FONTS = [tmp_path / "none.ttf"]
    assert [found.id for found in checks.check_fonts(None)] == ["quickscale_stripe.E009"]


def test_the_font_is_the_one_that_its_licence_names() -> None:
    digest = hashlib.sha256(pdf.FONT.read_bytes()).hexdigest()
    assert digest in (pdf.FONT.parent / "LICENSE.txt").read_text()
