from __future__ import annotations

from decimal import Decimal

import pytest

from quickscale.internal.money import minor_digits, round_unit_price, to_major


def test_minor_units():
    assert to_major(1250, "usd") == Decimal("12.50")
    assert to_major(1250, "JPY") == 1250
    assert minor_digits("kwd") == 3


@pytest.mark.parametrize(
    ("exact", "shown"),
    [("333.3333", "333"), ("6.45", "6.45"), ("0.9512", "0.951"), ("9", "9"), ("12345.6", "12346")],
)
def test_unit_prices_are_short(exact, shown):
    assert round_unit_price(Decimal(exact)) == Decimal(shown)
