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


class FirstEntry(models.Func):
    """The key of an account's first entry at or after a time, or ``NULL``.

    The entries of an account are numbered in the order of time, so that halving finds it by the
    index of the numbers. An index of the times would slow down every write.
    """

    template = """(
        WITH RECURSIVE wanted(account_id, at) AS (VALUES (%(expressions)s)),
        search(low, high) AS (
            SELECT 1::bigint, account.next_sequence
              FROM quickscale_credits_creditaccount account
              JOIN wanted ON wanted.account_id = account.id
            UNION ALL
            SELECT CASE WHEN entry.early THEN middle + 1 ELSE low END,
                   CASE WHEN entry.early THEN high ELSE middle END
              FROM search, wanted, LATERAL (SELECT (low + high) / 2 AS middle) half, LATERAL (
                  SELECT created_at < wanted.at AS early
                    FROM quickscale_credits_credittransaction
                   WHERE account_id = wanted.account_id AND sequence >= middle
                   ORDER BY sequence LIMIT 1) entry
             WHERE low < high)
        SELECT entry.id
          FROM wanted, LATERAL (
               SELECT id FROM quickscale_credits_credittransaction
                WHERE account_id = wanted.account_id AND sequence >= (SELECT max(low) FROM search)
                ORDER BY sequence LIMIT 1) entry)"""
    arity = 2
    output_field = models.BigIntegerField()
