"""The fields that several models have."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.translation import gettext_lazy as _

from quickscale_credits.internal.amounts import (
    DIGITS,
    PLACES,
    PRICE_DIGITS,
    PRICE_PLACES,
    parse_price,
)

if TYPE_CHECKING:
    from quickscale_credits.models import CreditAccount

    DecimalField = models.DecimalField[Any, Any]
else:
    DecimalField = models.DecimalField


class PriceField(DecimalField):
    """A price with 10 places. One that doesn't fit is refused by every write, never rounded."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("max_digits", PRICE_DIGITS)
        kwargs.setdefault("decimal_places", PRICE_PLACES)
        super().__init__(*args, **kwargs)

    def get_db_prep_save(self, value: Any, connection: BaseDatabaseWrapper) -> Any:
        if not hasattr(value, "as_sql"):
            value = parse_price(value, name=self.name)
        return super().get_db_prep_save(value, connection)


def credits_field(name: Any = None, **options: Any) -> models.DecimalField[Decimal, Decimal]:
    """A field for credits, which have 4 places."""
    return models.DecimalField(name, max_digits=DIGITS, decimal_places=PLACES, **options)


def credits_sum_field(name: Any = None, **options: Any) -> models.DecimalField[Decimal, Decimal]:
    """A field for credits that begins at zero and is kept by the ledger's functions."""
    return credits_field(name, default=Decimal(0), db_default=0, **options)


def account_key(
    related_name: str = "+", **options: Any
) -> models.ForeignKey[CreditAccount, CreditAccount]:
    """The account of a row. Its index is the one of the table's own order."""
    return models.ForeignKey(
        "quickscale_credits.CreditAccount",
        models.PROTECT,
        db_index=False,
        related_name=related_name,
        verbose_name=_("account"),
        **options,
    )


def actor_key() -> models.ForeignKey[Any, Any]:
    """The user who did it. A user who is deleted leaves the row as it is."""
    return models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        db_index=False,
        related_name="+",
        verbose_name=_("done by"),
    )
