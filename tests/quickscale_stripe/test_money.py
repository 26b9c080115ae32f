from __future__ import annotations

from decimal import Decimal

import pytest
from django.utils import translation

from quickscale_stripe.money import format_credits, format_money, round_unit_price, to_major


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (1250, "usd", "$12.50"),
        (1250, "jpy", "¥1,250"),
        (1250, "kwd", "KWD1.250"),
        (500, "ugx", "UGX5"),
        (500, "isk", "ISK5"),
        (0, "usd", "$0.00"),
        (Decimal("0.95"), "usd", "$0.0095"),
    ],
)
def test_money_has_the_decimals_of_its_currency(
    amount: int | Decimal, currency: str, text: str
) -> None:
    assert format_money(amount, currency) == text


@pytest.mark.parametrize(
    ("language", "text"), [("de", "12,50\xa0$"), ("fr", "12,50\xa0$US"), ("xx", "$12.50")]
)
def test_money_is_written_as_the_reader_does(language: str, text: str) -> None:
    with translation.override(language):
        assert format_money(1250, "usd") == text


def test_minor_units() -> None:
    assert to_major(1250, "usd") == Decimal("12.50")
    assert to_major(1250, "JPY") == 1250


@pytest.mark.parametrize(
    ("exact", "shown"),
    [("333.3333", "333"), ("6.45", "6.45"), ("0.9512", "0.951"), ("9", "9"), ("12345.6", "12346")],
)
def test_unit_prices_are_short(exact: str, shown: str) -> None:
    assert round_unit_price(Decimal(exact)) == Decimal(shown)


def test_credits_have_no_trailing_zeros() -> None:
    assert format_credits(Decimal("1000.0000")) == "1,000"
    assert format_credits(Decimal("0.2500")) == "0.25"
