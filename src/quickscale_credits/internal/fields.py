"""The model field of a price."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from quickscale_credits.internal.amounts import (
    PRICE_DIGITS,
    PRICE_PLACES,
    parse_price,
)

if TYPE_CHECKING:
    DecimalField = models.DecimalField[Any, Any]
else:
    DecimalField = models.DecimalField


class PriceField(DecimalField):
    """A price with 10 places. Every write refuses a value that doesn't fit and never rounds it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("max_digits", PRICE_DIGITS)
        kwargs.setdefault("decimal_places", PRICE_PLACES)
        super().__init__(*args, **kwargs)

    def get_db_prep_save(self, value: Any, connection: BaseDatabaseWrapper) -> Any:
        if not hasattr(value, "as_sql"):
            value = parse_price(value, name=self.name)
        return super().get_db_prep_save(value, connection)
