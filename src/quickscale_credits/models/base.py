"""Fields and a base class that the ledger's models share."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from quickscale_credits.internal.amounts import DIGITS, PLACES

if TYPE_CHECKING:
    from quickscale_credits.models.accounts import CreditAccount

# True for mypy, whose plugin knows reverse managers; other type checkers read them below.
MYPY = False


class LedgerModel(models.Model):
    """A row that only the ledger's functions update, so a stale instance can't overwrite it."""

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Store a new row.

        Raises:
            TypeError: the row is already stored.
        """
        if not self._state.adding:
            raise TypeError(f"Only quickscale_credits.ledger changes a {type(self).__name__}.")
        super().save(*args, **kwargs)


def credits_field(name: Any = None, **options: Any) -> models.DecimalField[Decimal, Decimal]:
    """Return a field for credits, which have 4 places."""
    return models.DecimalField(name, max_digits=DIGITS, decimal_places=PLACES, **options)


def credits_sum_field(name: Any = None, **options: Any) -> models.DecimalField[Decimal, Decimal]:
    """Return a field for credits that starts at zero and that the ledger's functions update."""
    return credits_field(name, default=Decimal(0), db_default=0, **options)


def account_key(
    related_name: str = "+", **options: Any
) -> models.ForeignKey[CreditAccount, CreditAccount]:
    """Return a key to the account of a row, without an index, because the table has its own."""
    return models.ForeignKey(
        "quickscale_credits.CreditAccount",
        models.PROTECT,
        db_index=False,
        related_name=related_name,
        verbose_name=_("account"),
        **options,
    )


def actor_key() -> models.ForeignKey[Any, Any]:
    """Return a key to the user who did something. Deleting the user keeps the row."""
    return models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        db_index=False,
        related_name="+",
        verbose_name=_("done by"),
    )
