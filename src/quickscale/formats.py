"""Format numbers, credits, money and times for pages, mails, receipts and the admin.

All functions return plain text in the reader's language and time zone. In templates, use the
filters of the same names after ``{% load quickscale %}``.
"""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from django.utils import numberformat, timezone
from django.utils.dateformat import format as format_date
from django.utils.formats import date_format, get_format
from django.utils.translation import get_language, get_language_bidi, ngettext, to_locale
from django.utils.translation import gettext as _

from quickscale.errors import MissingExtraError
from quickscale.internal.money import to_major

if TYPE_CHECKING:
    from babel import Locale

MINUS = "\N{MINUS SIGN}"
LEFT_TO_RIGHT = "\N{LEFT-TO-RIGHT MARK}"
_NUMBER_IN_PATTERN = re.compile(r"[#0,.]+")
_LETTER_BESIDE_DIGIT = re.compile(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")


def format_number(value: Decimal | int, *, signed: bool = False, min_places: int = 0) -> str:
    """Format a number with Django's formats for the language, which a site can override.

    A fraction is never rounded and has no trailing zeros beyond ``min_places``. ``signed`` puts a
    plus sign before a positive number.
    """
    return _sign(value, signed) + _digits(value, min_places)


def format_credits(amount: Decimal | int, *, signed: bool = False) -> str:
    """Format a number of credits: ``Decimal("1234.5000")`` as "1,234.5"."""
    return format_number(amount, signed=signed)


def plural_number(amount: Decimal | int) -> int:
    """Return the number that decides the plural form; a fraction counts as more than one."""
    return int(amount) if amount == int(amount) else 2


def in_credits(amount: Decimal | int) -> str:
    """Format a number of credits with the word, such as "1 credit" or "2.5 credits"."""
    text = ngettext("%(amount)s credit", "%(amount)s credits", plural_number(amount))
    return text % {"amount": format_credits(amount)}


def format_money(
    amount: int | Decimal, currency: str, *, signed: bool = False, short: bool = False
) -> str:
    """Format minor units of a currency: 1250 and "usd" as "$12.50".

    A fraction of a minor unit, such as the price of one credit, is shown in full. Unicode's CLDR
    decides the position of the currency, and separates a code such as KWD from the number
    (unicode.org/reports/tr35, currencySpacing). ``short`` leaves out cents that are zero: "$49".

    Raises:
        MissingExtraError: Babel, which has the currencies, is not installed.
    """
    try:
        from babel.numbers import get_currency_precision, get_currency_symbol
    except ImportError as error:
        raise MissingExtraError("Formatting money", "stripe") from error
    locale = _babel_locale()
    pattern = locale.currency_formats["standard"].pattern.partition(";")[0]
    value = to_major(amount, currency)
    places = get_currency_precision(currency.upper())
    sign = _sign(value, signed)
    number = _digits(value, 0 if short and value == int(value) else places)
    if get_language_bidi():  # There the sign belongs to the number, which runs the other way.
        sign, number = "", sign + number
    text = _NUMBER_IN_PATTERN.sub(number, pattern)
    symbol = get_currency_symbol(currency.upper(), locale)
    if get_language_bidi() and symbol.isascii():
        symbol += LEFT_TO_RIGHT  # Otherwise the "$" of "US$" goes to its other side.
    text = text.replace("¤", symbol)
    return sign + _LETTER_BESIDE_DIGIT.sub("\N{NO-BREAK SPACE}", text)


def format_day(moment: datetime) -> str:
    """Format the day of a moment in the current time zone: "Nov. 28, 2026"."""
    return date_format(timezone.localtime(moment), "DATE_FORMAT")


def day_name(moment: datetime) -> str:
    """Name the day of a moment in the current time zone: "Today", "Yesterday", or its date."""
    ago = timezone.localdate() - timezone.localtime(moment).date()
    return {0: _("Today"), 1: _("Yesterday")}.get(ago.days) or format_day(moment)


def format_moment(moment: datetime) -> str:
    """Format a moment with the name of its time zone: "Nov. 28, 2026, 7:19 p.m. CET"."""
    local = timezone.localtime(moment)
    zone = format_date(local, "T")
    # Time zones without a name are shown by their offset.
    name = f"UTC{zone}".replace("-", MINUS) if zone[:1] in "+-" else zone
    return f"{date_format(local, 'DATETIME_FORMAT')} {name}"


def _digits(value: Decimal | int, min_places: int) -> str:
    whole, _point, fraction = format(abs(Decimal(value)), "f").partition(".")
    fraction = fraction.rstrip("0").ljust(min_places, "0")
    return numberformat.format(
        Decimal(f"{whole}.{fraction}"),
        decimal_sep=str(get_format("DECIMAL_SEPARATOR")),
        grouping=get_format("NUMBER_GROUPING") or 3,
        thousand_sep=str(get_format("THOUSAND_SEPARATOR")),
        force_grouping=True,
    )


def _sign(value: Decimal | int, signed: bool) -> str:
    sign = MINUS if value < 0 else "+" if signed and value > 0 else ""
    # As in CLDR: the mark keeps the sign to the left of its number in a right-to-left text.
    return f"{LEFT_TO_RIGHT}{sign}" if sign and get_language_bidi() else sign


def _babel_locale() -> Locale:
    from babel import Locale, UnknownLocaleError

    try:
        return Locale.parse(to_locale(get_language() or "en"))
    except (UnknownLocaleError, ValueError):
        return Locale("en")
