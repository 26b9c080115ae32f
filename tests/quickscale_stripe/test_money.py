from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.utils import translation

from quickscale_stripe.models import StripePrice, StripeProduct
from quickscale_stripe.money import format_credits, format_money, round_unit_price, to_major
from quickscale_stripe.terms import credit_terms, price_terms


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (1250, "usd", "$12.50"),
        (1250, "jpy", "¥1,250"),
        (1250, "kwd", "KWD\N{NO-BREAK SPACE}1.250"),
        (500, "ugx", "UGX\N{NO-BREAK SPACE}5"),
        (500, "isk", "ISK\N{NO-BREAK SPACE}5"),
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


def plan(**fields: Any) -> StripePrice:
    facts = {"currency": "usd", "unit_amount": 1900, "credits": Decimal(300), "interval": "month"}
    return StripePrice(product=StripeProduct(name="Plan"), **facts | fields)


@pytest.mark.parametrize(
    ("price", "money", "brings"),
    [
        (plan(), "$19.00 each month", "300 credits each month"),
        (plan(interval_count=3), "$19.00 every 3 months", "300 credits every 3 months"),
        (plan(interval="year"), "$19.00 each year", "300 credits each year"),
        (
            plan(interval="week", interval_count=2),
            "$19.00 every 2 weeks",
            "300 credits every 2 weeks",
        ),
        (plan(interval="day", credits=Decimal(1)), "$19.00 each day", "1 credit each day"),
        (plan(interval="", credits=Decimal("2.5")), "$19.00", "2.5 credits"),
        (plan(credits=Decimal(0), unit_amount=None), "", ""),
        (
            plan(interval="year", credits=Decimal(12000), metadata={"credits_interval": "month"}),
            "$19.00 each year",
            "1,000 credits each month, billed yearly",
        ),
        (
            plan(interval="month", interval_count=6, metadata={"credits_interval": "month"}),
            "$19.00 every 6 months",
            "50 credits each month, billed every 6 months",
        ),
        (
            plan(metadata={"credits_interval": "month"}),
            "$19.00 each month",
            "300 credits each month",
        ),
    ],
)
def test_a_price_says_what_it_asks_and_brings(price: StripePrice, money: str, brings: str) -> None:
    assert price_terms(price) == money
    assert credit_terms(price) == brings
