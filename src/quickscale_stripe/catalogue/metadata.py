"""The meaning of products' and prices' metadata on this site.

``credits``, ``credits_interval`` and ``catalogue`` are read from the price, else from its product.
``display_order`` applies only to the row that has it, and ``most_chosen`` only to a product.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _

from quickscale_stripe.conf import app_settings

#: An error in one of these keeps a price from being sold: they decide what a buyer gets.
ABOUT_CREDITS = {"credits", "credits_interval"}
_INTERVALS = ("month", "period")
#: The separators that people write between thousands.
_SEPARATORS = " ,'_\N{NO-BREAK SPACE}\N{RIGHT SINGLE QUOTATION MARK}"


def is_ours(price: Mapping[str, str], product: Mapping[str, str]) -> bool:
    """Return whether this site sells a price, by its own metadata and its product's.

    The price is marked with the name in ``QUICKSCALE_STRIPE_CATALOGUE``. Without that setting, a
    price is ours if it has ``credits`` and belongs to no named catalogue.
    """
    name = app_settings.catalogue
    if _first("catalogue", price, product) != name:
        return False
    return bool(name or _first("credits", price, product))


def read_price(
    price: Mapping[str, str], product: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Read a price's metadata.

    Returns:
        The values by key, with defaults for absent keys, and the texts that can't be read by key.
    """
    return _read(
        {
            "credits": _first("credits", price, product),
            "credits_interval": _first("credits_interval", price, product),
            "display_order": _first("display_order", price),
        }
    )


def read_product(product: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Read a product's own metadata. Return the same as :func:`read_price`."""
    return _read({key: _first(key, product) for key in ("display_order", "most_chosen")})


def problems(errors: Mapping[str, str]) -> list[str]:
    """Return a sentence about each text that can't be read, with what to type instead."""
    found = []
    for key, text in errors.items():
        try:
            _READERS[key](text)
        except ValueError as error:
            facts = {"key": key, "text": text, "hint": error}
            found.append(_("Metadata %(key)s is “%(text)s”. %(hint)s") % facts)
    return found


def parse_credits(text: str) -> Decimal:
    """Read an amount of credits.

    Raises:
        ValueError: it is not an amount, or is ambiguous; the message says what to type.
    """
    plain = text.strip()
    if re.fullmatch(r"[1-9][0-9]{0,2}\.[0-9]{3}", plain):
        # In German, 1.000 is a thousand; in English it is one.
        facts = {"whole": plain.replace(".", ""), "fraction": f"{plain}0"}
        raise ValueError(_("Type %(whole)s, or %(fraction)s for a fraction.") % facts)
    if re.fullmatch(r"[0-9]{1,15}(\.[0-9]+)?", plain):
        amount = Decimal(plain)
        if amount == round(amount, 4):
            return amount
        raise ValueError(_("Use at most 4 decimal places."))
    grouped = re.fullmatch(rf"[0-9]{{1,3}}([{_SEPARATORS}][0-9]{{3}})+(\.[0-9]+)?", plain)
    spaced = re.fullmatch(r"[0-9]+( +[0-9]+)+", plain)
    if grouped or spaced:
        raise ValueError(_("Type %s.") % re.sub(r"[^0-9.]", "", plain))
    raise ValueError(_("Type digits, with a point before decimals, such as 1000 or 2.5."))


def credits_text(amount: Decimal) -> str:
    """Return the text that :func:`parse_credits` reads as this amount."""
    plain = f"{amount.normalize():f}"
    return f"{plain}0" if re.fullmatch(r".*\.[0-9]{3}", plain) else plain


def _parse_interval(text: str) -> str:
    if text not in _INTERVALS:
        raise ValueError(_("Type “month” or “period”."))
    return text


def _parse_order(text: str) -> int:
    plain = text.strip()
    if re.fullmatch(r"-?[0-9]{1,10}", plain) and abs(int(plain)) < 2**31:
        return int(plain)
    raise ValueError(_("Type a whole number."))


def _parse_choice(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(_("Type “true” or “false”."))
    return text == "true"


_READERS: dict[str, Callable[[str], Any]] = {
    "credits": parse_credits,
    "credits_interval": _parse_interval,
    "display_order": _parse_order,
    "most_chosen": _parse_choice,
}
_DEFAULTS = {
    "credits": Decimal(0),
    "credits_interval": "period",
    "display_order": 0,
    "most_chosen": False,
}


def _read(texts: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    values, errors = {}, {}
    for key, text in texts.items():
        try:
            values[key] = _READERS[key](text) if text else _DEFAULTS[key]
        except ValueError:
            errors[key] = text
    return values, errors


def _first(key: str, *metadata: Mapping[str, str]) -> str:
    return next((found[key] for found in metadata if found.get(key)), "")
