"""Expressions of the ORM that call the ledger's functions."""

from __future__ import annotations

from django.db import models


class LedgerClock(models.Func):
    """The ledger's time, ``quickscale_credits_clock()``, read once for a statement."""

    function = "quickscale_credits_clock"
    template = "(SELECT %(function)s())"
    arity = 0
    output_field = models.DateTimeField()


class Settled(models.Func):
    """What pays an account's debts by now, posted or not: what that changes in a lot."""

    function = "quickscale_credits_settled"
    template = "%(function)s(%(expressions)s, quickscale_credits_clock())"
    arity = 2
    output_field = models.DecimalField(max_digits=19, decimal_places=4)
