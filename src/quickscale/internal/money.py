"""Amounts of money in minor units, as Stripe counts them."""

from __future__ import annotations

from decimal import Decimal

# docs.stripe.com/currencies: zero-decimal currencies; ISK and UGX are sent as two-decimal ones.
_NO_DECIMALS = {
    *("bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf"),
    *("vnd", "vuv", "xaf", "xof", "xpf"),
}
_THREE_DECIMALS = {"bhd", "jod", "kwd", "omr", "tnd"}


def minor_digits(currency: str) -> int:
    """Return the number of decimal places of the currency's smallest unit."""
    code = currency.lower()
    if code in _NO_DECIMALS:
        return 0
    return 3 if code in _THREE_DECIMALS else 2


def to_major(amount: int | Decimal, currency: str) -> Decimal:
    """Convert minor units to the currency's own unit: 1250 and "usd" give Decimal("12.50")."""
    return Decimal(amount).scaleb(-minor_digits(currency))


def round_unit_price(amount: Decimal) -> Decimal:
    """Round minor units for display: small prices to three digits, others to whole minor units."""
    return round(amount, max(0, 2 - amount.adjusted()))
