"""Check that values are valid numbers of credits, quantities or prices."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal, InvalidOperation
from typing import Any, TypeAlias

from quickscale_credits.exceptions import InvalidAmountError

Amount: TypeAlias = Decimal | int | str

DIGITS = 19
PLACES = 4
LIMIT = Decimal(10) ** (DIGITS - PLACES)
STEP = Decimal(1).scaleb(-PLACES)
PRICE_DIGITS = 20
PRICE_PLACES = 10
PRICE_LIMIT = Decimal(10) ** (PRICE_DIGITS - PRICE_PLACES)


def parse_amount(value: Any, *, name: str = "amount", zero: bool = False) -> Decimal:
    """Return ``value`` as an exact number of credits: above zero, at most 4 places, below 10**15.

    ``value`` is a ``Decimal``, ``int`` or numeric ``str``; a value that doesn't fit is refused,
    never rounded. ``zero`` allows zero.

    Raises:
        InvalidAmountError: the value can't be used; the message says why.
    """
    amount = _in_range(value, name=name, zero=zero)
    exact = amount.quantize(STEP)
    if exact != amount:
        raise InvalidAmountError(name, f"{value!r} has more than {PLACES} decimal places.")
    return exact


def round_up(value: Any, *, name: str) -> Decimal:
    """Return ``value``, zero or above, like :func:`parse_amount`, but rounded up to 4 places."""
    return _in_range(value, name=name, zero=True).quantize(STEP, rounding=ROUND_CEILING)


def parse_quantity(value: Any, *, name: str = "units") -> Decimal:
    """Return ``value`` as a quantity of use: zero or above, below 10**15, with any places.

    Raises:
        InvalidAmountError: the value can't be used; the message says why.
    """
    return _in_range(value, name=name, zero=True)


def parse_price(value: Any, *, name: str = "unit_price") -> Decimal:
    """Return ``value`` as a price: zero or above, at most 10 places, below 10**10; never rounded.

    Raises:
        InvalidAmountError: the value can't be used; the message says why.
    """
    price = _in_range(value, name=name, zero=True)
    if price >= PRICE_LIMIT:
        raise InvalidAmountError(name, f"{value!r} is not below {PRICE_LIMIT:f}.")
    exact = price.quantize(Decimal(1).scaleb(-PRICE_PLACES))
    if exact != price:
        raise InvalidAmountError(name, f"{value!r} has more than {PRICE_PLACES} decimal places.")
    return exact


def _in_range(value: Any, *, name: str, zero: bool) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, Decimal | int | str):
        raise InvalidAmountError(
            name, f"use Decimal, int or str for credits, not {type(value).__name__}."
        )
    try:
        amount = Decimal(value)
    except InvalidOperation:
        raise InvalidAmountError(name, f"{value!r} is not a number.") from None
    if not amount.is_finite():
        raise InvalidAmountError(name, f"{value!r} is not a finite number.")
    if amount < 0 or (amount == 0 and not zero):
        raise InvalidAmountError(name, f"{value!r} is not above zero.")
    if amount >= LIMIT:
        raise InvalidAmountError(name, f"{value!r} is not below {LIMIT:f}.")
    return amount
