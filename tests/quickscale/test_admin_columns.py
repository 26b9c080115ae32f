from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace

import pytest

from quickscale.admin.columns import credits_column, money_column


@pytest.mark.parametrize(
    ("value", "signed", "shown"),
    [
        (Decimal("1234.5000"), False, "1,234.5"),
        (Decimal("1.0000"), True, "+1"),
        (Decimal(0), False, "0"),
        (None, False, None),
    ],
)
def test_credits_read_as_on_pages(value, signed, shown):
    column = credits_column("amount", "Credits", signed=signed)
    assert column(SimpleNamespace(amount=value)) == shown
    assert (column.short_description, column.admin_order_field) == ("Credits", "amount")


@pytest.mark.parametrize(("value", "shown"), [(1250, "$12.50"), (0, "$0.00"), (None, None)])
def test_money_reads_as_on_pages(value, shown):
    column = money_column("total", "Total")
    assert column(SimpleNamespace(total=value, currency="usd")) == shown
