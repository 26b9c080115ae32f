"""Billing periods: months of different lengths, counted from the day that a subscription began."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, datetime, timedelta


def shift(timestamp: int, interval: str, count: int) -> int:
    """Return the time ``count`` intervals later: ``day``, ``week``, ``month`` or ``year``.

    A day that the month doesn't have becomes its last day, as docs.stripe.com/billing says.
    """
    start = datetime.fromtimestamp(timestamp, UTC)
    if interval in {"day", "week"}:
        days = count * (7 if interval == "week" else 1)
        return int((start + timedelta(days=days)).timestamp())
    months = start.month - 1 + count * (12 if interval == "year" else 1)
    year, month = start.year + months // 12, months % 12 + 1
    day = min(start.day, monthrange(year, month)[1])
    return int(start.replace(year=year, month=month, day=day).timestamp())


def next_end(anchor: int, after: int, interval: str, count: int) -> int:
    """Return the first end of a period after a time; each is a whole number of intervals from the
    anchor."""
    number = 1
    while (end := shift(anchor, interval, number * count)) <= after:
        number += 1
    return end
