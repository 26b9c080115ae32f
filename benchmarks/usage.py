"""``python -m benchmarks.usage``: how long the sums of a million uses of one account take."""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from time import perf_counter

import django
from django.core.cache import cache
from django.utils import timezone

from benchmarks.__main__ import databases

ROWS = 1_000_000
DAYS = 30
ROUNDS = 5


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.settings")
    django.setup()
    from benchmarks import history
    from quickscale_credits import usage

    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    with databases():
        account = history.open_account("busy", using="default")
        history.add_uses(account, rows, timedelta(days=DAYS), using="default")
        history.settle(using="default")
        today = timezone.localdate()
        for days in (1, 7, DAYS):
            since = today - timedelta(days=days - 1)
            for read in (usage.usage, usage.usage_by_meter):
                sums = partial(read, account, since=since, until=today)
                first = median(sums, before=cache.clear)
                print(
                    f"{read.__name__}, {days} days of {rows:,} uses: "
                    f"first {first * 1000:.0f} ms, then {median(sums) * 1000:.0f} ms"
                )
        found = median(lambda: usage.forecast(account, per_day=account.posted / 100))
        print(f"forecast: {found * 1000:.0f} ms")


def median(call: Callable[[], object], *, before: Callable[[], object] = int) -> float:
    times = []
    for _round in range(ROUNDS):
        before()
        begun = perf_counter()
        call()
        times.append(perf_counter() - begun)
    return statistics.median(times)


if __name__ == "__main__":
    main()
