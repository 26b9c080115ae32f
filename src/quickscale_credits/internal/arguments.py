"""Convert the arguments of the ledger's functions to what SQL takes, or say what is wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from django.contrib.auth import get_user_model
from django.core.serializers.json import DjangoJSONEncoder
from django.utils.functional import Promise

from quickscale_credits.exceptions import InvalidRequestError
from quickscale_credits.models import (
    CreditAccount,
    CreditHold,
    CreditLot,
    CreditTransaction,
    Service,
)

MAX_KEY = 255
MAX_SOURCE_TYPE = 40
OWN_SOURCES = "ledger:"  # the types of the ledger's own sources start with this
_PERIOD = re.compile(r":\d+$")  # the ids of a schedule's periods end like this
_ESCAPED_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
GRANTABLE_TYPES = frozenset(CreditLot.CreditType) - {CreditLot.CreditType.OVERDRAFT}


def account_id(account: Any, name: str = "account") -> int:
    return int(_saved(name, account, CreditAccount))


def hold_id(hold: Any) -> int:
    return int(_saved("hold", hold, CreditHold))


def lot_id(lot: Any) -> int:
    return int(_saved("lot", lot, CreditLot))


def transaction_id(transaction: Any) -> int:
    return int(_saved("transaction", transaction, CreditTransaction))


def service_id(service: Any) -> int | None:
    return None if service is None else int(_saved("service", service, Service))


def actor_id(actor: Any) -> str | None:
    """Return the user's key as text, because its type depends on the site."""
    return None if actor is None else str(_saved("actor", actor, get_user_model()))


def description(value: Any, name: str = "description") -> str:
    """Return a text that people read in the history."""
    if not isinstance(value, str | Promise) or not str(value).strip():
        raise InvalidRequestError(name, "use a string that is not empty.")
    return _text(name, str(value))


def reason(value: Any) -> str:
    """Return why something is done, or an empty string for no reason."""
    if not isinstance(value, str | Promise):
        raise InvalidRequestError("reason", f"{value!r} is not a string.")
    return _text("reason", str(value))


def key(value: Any) -> str:
    """Return the idempotency key, or an empty string for none."""
    return "" if value is None else _name("idempotency_key", value, MAX_KEY)


def source(value: Any, name: str = "source") -> tuple[str, str]:
    """Return the type and id of where credits come from, or two empty strings for none."""
    if value is None:
        return "", ""
    if not isinstance(value, tuple) or len(value) != 2:
        raise InvalidRequestError(name, "use a tuple of a type and an id.")
    type_ = _name(name, value[0], MAX_SOURCE_TYPE)
    if type_.startswith(OWN_SOURCES):
        raise InvalidRequestError(name, f"{type_!r} is a type reserved for the ledger.")
    return type_, _name(name, value[1], MAX_KEY)


def lot_source(value: Any) -> tuple[str, str]:
    """Return the same as :func:`source` for credits that aren't a period of a schedule."""
    type_, id_ = source(value)
    if _PERIOD.search(id_):
        raise InvalidRequestError(
            "source", f"{id_!r} ends with a colon and a number, like that of a schedule's period."
        )
    return type_, id_


def credit_type(value: Any, *, ends: bool) -> str:
    """Return a type of credits that can be added, with or without an end."""
    if value not in GRANTABLE_TYPES:
        known = ", ".join(sorted(GRANTABLE_TYPES))
        raise InvalidRequestError("credit_type", f"{value!r} is not one of {known}.")
    if value == CreditLot.CreditType.SUBSCRIPTION and not ends:
        raise InvalidRequestError("expires_at", "subscription credits need an end.")
    if value == CreditLot.CreditType.PAYG and ends:
        raise InvalidRequestError("expires_at", "pay-as-you-go credits never end.")
    return str(value)


def moment(name: str, value: Any) -> datetime | None:
    """Return a point in time in UTC, so that two of them can be compared, or ``None``."""
    if value is None:
        return None
    if not isinstance(value, datetime) or value.utcoffset() is None:
        raise InvalidRequestError(name, f"{value!r} is not a datetime with a time zone.")
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise InvalidRequestError(name, f"{value!r} is out of range.") from None


def months(value: Any) -> int:
    """Return how many months a period lasts."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InvalidRequestError("months", f"{value!r} is not a number of months.")
    return value


def period(value: Any) -> tuple[datetime | None, datetime | None]:
    """Return the start and end of a billing period, or ``None`` for both."""
    if value is None:
        return None, None
    if not isinstance(value, tuple) or len(value) != 2:
        raise InvalidRequestError("period", "use a tuple of a start and an end.")
    begin, end = moment("period", value[0]), moment("period", value[1])
    if begin is None or end is None or end <= begin:
        raise InvalidRequestError("period", "use a start, and an end after it.")
    return begin, end


def cost(value: Any) -> tuple[int | None, str]:
    """Return the money in the currency's smallest unit, and the currency's three-letter code."""
    if value is None:
        return None, ""
    if not isinstance(value, tuple) or len(value) != 2:
        raise InvalidRequestError("cost", "use a tuple of an int and a currency.")
    money, currency = value
    if not isinstance(money, int) or isinstance(money, bool) or not 0 <= money < 2**63:
        raise InvalidRequestError("cost", f"{money!r} is not an amount in the smallest unit.")
    if not isinstance(currency, str) or len(currency) != 3 or not currency.isalpha():
        raise InvalidRequestError("cost", f"{currency!r} is not a currency code.")
    return money, currency.lower()


def priority(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**15 - 1:
        raise InvalidRequestError("priority", f"{value!r} is not an int from 0 to {2**15 - 2}.")
    return value


def ttl(value: Any) -> timedelta:
    """Return how long a hold lasts, up to 100 years."""
    if not isinstance(value, timedelta) or not timedelta(0) < value <= timedelta(days=36500):
        raise InvalidRequestError("ttl", f"{value!r} is not a timedelta above zero.")
    return value


def metadata(value: Mapping[str, Any] | None) -> str:
    """Return a dictionary as JSON."""
    if value is None:
        return "{}"
    if not isinstance(value, Mapping):
        raise InvalidRequestError("metadata", "use a dictionary.")
    try:
        text = json.dumps(dict(value), cls=DjangoJSONEncoder, allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise InvalidRequestError("metadata", f"JSON can't hold it: {error}.") from error
    if _ESCAPED_NUL.search(text):
        raise InvalidRequestError("metadata", "PostgreSQL can't store a NUL character.")
    return _text("metadata", text)


def fingerprint(operation: str, *parts: Any) -> str:
    """Return a digest that shows whether two requests with one idempotency key are the same.

    Description, metadata and actor aren't part of it, because they may differ when a request is
    repeated.
    """
    texts = (
        part.astimezone(UTC).isoformat() if isinstance(part, datetime) else str(part)
        for part in (operation, *parts)
    )
    return sha256("\x00".join(texts).encode()).hexdigest()


def _saved(name: str, value: Any, model: Any) -> Any:
    if not isinstance(value, model) or value.pk is None:
        raise InvalidRequestError(
            name, f"use a saved {model.__name__}, not {type(value).__name__}."
        )
    return value.pk


def _name(argument: str, value: Any, limit: int) -> str:
    text = str(value) if isinstance(value, str | int) else ""
    if not text or len(text) > limit:
        raise InvalidRequestError(
            argument, f"use a string of 1 to {limit} characters, not {value!r}."
        )
    return _text(argument, text)


def _text(argument: str, value: str) -> str:
    if "\x00" in value:
        raise InvalidRequestError(argument, "PostgreSQL can't store a NUL character.")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequestError(argument, f"it is not Unicode text: {error}.") from error
    return value
