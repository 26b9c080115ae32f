from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from quickscale_stripe.internal.wording import credit_terms, price_terms
from quickscale_stripe.models import StripePrice, StripeProduct


def plan(**fields: Any) -> StripePrice:
    facts = {"currency": "usd", "unit_amount": 1900, "credits": Decimal(300), "interval": "month"}
    return StripePrice(product=StripeProduct(name="Plan"), **facts | fields)


@pytest.mark.parametrize(
    ("price", "money", "brings"),
    [
        (plan(), "$19.00 a month", "300 credits each month"),
        (plan(interval_count=3), "$19.00 every 3 months", "300 credits every 3 months"),
        (plan(interval="year"), "$19.00 a year", "300 credits each year"),
        (
            plan(interval="week", interval_count=2),
            "$19.00 every 2 weeks",
            "300 credits every 2 weeks",
        ),
        (plan(interval="day", credits=Decimal(1)), "$19.00 a day", "1 credit each day"),
        (plan(interval="", credits=Decimal("2.5")), "$19.00", "2.5 credits"),
        (plan(credits=Decimal(0), unit_amount=None), "", ""),
        (
            plan(interval="year", credits=Decimal(12000), credits_interval="month"),
            "$19.00 a year",
            "1,000 credits each month, billed yearly",
        ),
        (
            plan(interval="month", interval_count=6, credits_interval="month"),
            "$19.00 every 6 months",
            "50 credits each month, billed every 6 months",
        ),
        (
            plan(credits_interval="month"),
            "$19.00 a month",
            "300 credits each month",
        ),
    ],
)
def test_a_price_says_what_it_costs_and_brings(price: StripePrice, money: str, brings: str) -> None:
    assert price_terms(price) == money
    assert credit_terms(price) == brings
