"""Compare rates on a busy machine, by medians of the ratios of short turns side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median
from threading import Barrier
from time import perf_counter
from typing import Any, Protocol

from django.db import connections


class Runner(Protocol):
    def turn(self, seconds: float) -> float:
        """Work for this time; return the calls per second."""


class Single:
    """One caller. ``weight`` is the number of units of work in a call."""

    def __init__(self, call: Callable[[], Any], weight: int = 1) -> None:
        self.call = call
        self.weight = weight

    def turn(self, seconds: float) -> float:
        calls = 0
        begin = perf_counter()
        while (passed := perf_counter() - begin) < seconds:
            self.call()
            calls += 1
        return calls * self.weight / passed


class Crowd:
    """Callers that work at once, each in its own thread, which keeps its database connection."""

    def __init__(self, calls: Sequence[Callable[[], Any]]) -> None:
        self.calls = calls
        self.start = Barrier(len(calls))
        self.threads = ThreadPoolExecutor(len(calls))

    def turn(self, seconds: float) -> float:
        return sum(self.threads.map(lambda call: self._work(call, seconds), self.calls))

    def close(self) -> None:
        list(self.threads.map(lambda _call: self._leave(), self.calls))
        self.threads.shutdown()

    def _work(self, call: Callable[[], Any], seconds: float) -> float:
        self.start.wait()
        return Single(call).turn(seconds)

    def _leave(self) -> None:
        self.start.wait()
        connections.close_all()


@dataclass(frozen=True)
class Rates:
    """The rates of each subject, with one rate for each round."""

    by_subject: Mapping[str, Sequence[float]]

    def rate(self, subject: str) -> float:
        return median(self.by_subject[subject])

    def ratio(self, subject: str, base: str) -> float:
        """Return how many times as fast as ``base`` the ``subject`` was in the same round."""
        pairs = zip(self.by_subject[subject], self.by_subject[base], strict=True)
        return median(one / other for one, other in pairs)


def race(subjects: Mapping[str, Runner], *, rounds: int, seconds: float) -> Rates:
    """Let the subjects take turns, each round in another order, after a turn to warm up."""
    rates: dict[str, list[float]] = {name: [] for name in subjects}
    for runner in subjects.values():
        runner.turn(seconds / 2)
    order = list(subjects)
    for _round in range(rounds):
        for name in order:
            rates[name].append(subjects[name].turn(seconds))
        order = order[1:] + order[:1]
    return Rates(rates)
