"""Minor units and how they read."""

from __future__ import annotations

import re
from decimal import Decimal

from babel import Locale, UnknownLocaleError
from babel.numbers import format_currency, format_decimal
from django.utils.translation import get_language, to_locale

# docs.stripe.com/currencies: zero-decimal currencies; ISK and UGX are sent as two-decimal ones.
_NO_DECIMALS = {
    *("bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf"),
    *("vnd", "vuv", "xaf", "xof", "xpf"),
}
_THREE_DECIMALS = {"bhd", "jod", "kwd", "omr", "tnd"}
_CODE_BESIDE_NUMBER = re.compile(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")


def minor_digits(currency: str) -> int:
    """How many decimal places Stripe's smallest unit of the currency is."""
    code = currency.lower()
    if code in _NO_DECIMALS:
        return 0
    return 3 if code in _THREE_DECIMALS else 2


def to_major(amount: int | Decimal, currency: str) -> Decimal:
    """Minor units as the currency's own unit: 1250 and "usd" are Decimal("12.50")."""
    return Decimal(amount).scaleb(-minor_digits(currency))


def format_money(amount: int | Decimal, currency: str) -> str:
    """Minor units as text in the reader's locale, with as many decimals as the value needs.

    A fraction of a minor unit (a price for one credit) is shown, never rounded away. A currency
    that has no sign there stands apart from its number (unicode.org/reports/tr35, currencySpacing).
    """
    text = format_currency(
        to_major(amount, currency),
        currency.upper(),
        locale=_locale(),
        decimal_quantization=False,
    )
    return _CODE_BESIDE_NUMBER.sub("\N{NO-BREAK SPACE}", text)


def format_credits(amount: Decimal) -> str:
    """Credits as text in the reader's locale, without trailing zeros."""
    return format_decimal(amount, locale=_locale(), decimal_quantization=False)


def _locale() -> Locale:
    try:
        return Locale.parse(to_locale(get_language() or "en"))
    except (UnknownLocaleError, ValueError):
        return Locale("en")


def round_unit_price(amount: Decimal) -> Decimal:
    """Minor units for showing: three digits of a small price, whole minor units of others."""
    return round(amount, max(0, 2 - amount.adjusted()))
