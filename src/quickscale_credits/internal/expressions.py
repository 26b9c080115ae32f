"""Expressions of the ORM that call the ledger's functions."""

from __future__ import annotations

from django.db import models


class LedgerClock(models.Func):
    """The ledger's time, ``quickscale_credits_clock()``, read once per statement."""

    function = "quickscale_credits_clock"
    template = "(SELECT %(function)s())"
    arity = 0
    output_field = models.DateTimeField()


class Settled(models.Func):
    """The change to a lot from paying the account's debts up to now, whether posted or not."""

    function = "quickscale_credits_settled"
    template = "%(function)s(%(expressions)s, quickscale_credits_clock())"
    arity = 2
    output_field = models.DecimalField(max_digits=19, decimal_places=4)
