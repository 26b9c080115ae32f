"""What the ledger's models share."""

from __future__ import annotations

from typing import Any

from django.db import models

# True for mypy, whose plugin knows reverse managers; other type checkers read them below.
MYPY = False


class LedgerModel(models.Model):
    """A row that the ledger's functions keep: a stale instance never writes its figures back."""

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Store a new row.

        Raises:
            TypeError: the row is stored already.
        """
        if not self._state.adding:
            raise TypeError(f"Only quickscale_credits.ledger changes a {type(self).__name__}.")
        super().save(*args, **kwargs)
