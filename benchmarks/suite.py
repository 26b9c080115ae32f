"""The measures and the target of each figure."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.db import connections

from benchmarks import history, proxy
from benchmarks.peer import ledger as peer
from benchmarks.peer.models import Counter
from benchmarks.rounds import Crowd, Rates, Runner, Single, race
from quickscale_credits import ledger
from quickscale_credits.models import CreditAccount
from quickscale_credits.pages.paging import Keyset

THREADS = 8
MANY = 1000
PEER_BALANCE = 100_000_000


@dataclass(frozen=True)
class Size:
    """The length of a run, and of the long history."""

    rounds: int
    seconds: float
    rows: int
    lots: int


FULL = Size(rounds=31, seconds=0.5, rows=1_000_000, lots=20_000)
QUICK = Size(rounds=5, seconds=0.1, rows=50_000, lots=2_000)


@dataclass(frozen=True)
class Measure:
    """A figure, whose ``value`` has to be at least ``target``, if there is one."""

    name: str
    value: float
    target: float | None = None
    rates: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_met(self) -> bool:
        return self.target is None or self.value >= self.target


class Suite:
    """Takes the measures on two empty databases; calls ``say`` with what it does."""

    def __init__(self, size: Size, say: Callable[[str], None]) -> None:
        self.size = size
        self.say = say
        self.key = 0

    def run(self) -> Iterator[Measure]:
        self.say("Preparing a thousand rows of history")
        self.account = history.open_account("small", using="default")
        history.add_spends(self.account, 1000, using="default")
        self.others = [history.open_account(f"{n}", using="default") for n in range(MANY)]
        self.peer_id = peer.open_account(PEER_BALANCE, using="default")
        counters = [Counter(balance=PEER_BALANCE) for _thread in range(THREADS)]
        self.counters = Counter.objects.bulk_create(counters)
        history.settle(using="default")
        yield from self.one_spend()
        yield from self.threads()
        yield from self.network()
        yield from self.many_at_once()
        yield from self.growth()

    def one_spend(self) -> Iterator[Measure]:
        self.say("One spend")
        subjects = {
            "bare UPDATE": Single(self.bare()),
            "consume": Single(self.consume(self.account)),
            "consume with a key": Single(self.consume_with_key),
            "ORM ledger": Single(self.peer()),
        }
        rates = self.race(subjects)
        yield self.ratio(rates, "consume", "bare UPDATE", 0.4)
        yield self.ratio(rates, "consume with a key", "bare UPDATE")
        yield self.ratio(rates, "consume", "ORM ledger", 1)
        self.say("One spend without waiting for the disk")
        with connections["default"].cursor() as cursor:
            cursor.execute("SET synchronous_commit = off")
            rates = self.race(subjects)
            cursor.execute("RESET synchronous_commit")
        yield self.ratio(rates, "consume", "bare UPDATE", note="disk not waited for")
        yield self.ratio(rates, "consume", "ORM ledger", note="disk not waited for")

    def threads(self) -> Iterator[Measure]:
        self.say(f"{THREADS} threads")
        with (
            crowd([self.consume(self.account)] * THREADS) as hot,
            crowd([self.consume(other) for other in self.others[:THREADS]]) as many,
            crowd([self.bare(thread) for thread in range(THREADS)]) as bare,
        ):
            rates = self.race(
                {
                    "one caller": Single(self.consume(self.account)),
                    "8 threads, one account": hot,
                    "8 threads, 8 accounts": many,
                    "bare UPDATE, one caller": Single(self.bare()),
                    "bare UPDATE, 8 threads, 8 rows": bare,
                }
            )
        cores = min(THREADS, os.cpu_count() or 1)
        yield self.ratio(rates, "8 threads, one account", "one caller", 0.8)
        yield self.ratio(rates, "8 threads, 8 accounts", "one caller", 0.8 * cores)
        yield self.ratio(rates, "bare UPDATE, 8 threads, 8 rows", "bare UPDATE, one caller")

    def network(self) -> Iterator[Measure]:
        self.say("A network that takes a millisecond")
        with far_database() as using:
            far = CreditAccount.objects.using(using).get(pk=self.account.pk)
            with (
                crowd([self.consume(far)] * THREADS) as ours,
                crowd([self.peer(using)] * THREADS) as theirs,
            ):
                rates = self.race({"consume": ours, "separate statements": theirs})
        yield self.ratio(
            rates, "consume", "separate statements", 5, note="1 ms away, 8 threads, one account"
        )

    def many_at_once(self) -> Iterator[Measure]:
        self.say(f"{MANY} spends at once")
        one, spread = ([spend(each) for each in of] for of in ([self.account] * MANY, self.others))
        rates = self.race(
            {
                "consume": Single(self.consume(self.account)),
                "consume_many, one account": Single(partial(ledger.consume_many, one), MANY),
                "consume_many, 1000 accounts": Single(partial(ledger.consume_many, spread), MANY),
            }
        )
        yield self.ratio(rates, "consume_many, one account", "consume", 10)
        yield self.ratio(rates, "consume_many, 1000 accounts", "consume", 10)

    def growth(self) -> Iterator[Measure]:
        rows, lots = self.size.rows, self.size.lots
        self.say(f"Preparing {rows:,} rows of history and {lots:,} used-up lots")
        long = history.open_account("long", using="grown")
        history.add_spends(long, rows, using="grown")
        lotted = history.open_account("lots", using="grown")
        history.add_used_up_lots(lotted, lots, using="grown")
        history.settle(using="grown")
        base = "1 thousand rows"
        accounts = {base: self.account, f"{rows:,} rows": long, f"{lots:,} used-up lots": lotted}
        for name, operation in {
            "consume": self.consume,
            "balance": lambda account: account.get_balance,
            "history, first page": partial(page, depth=0),
            "history, deep page": partial(page, depth=0.9),
        }.items():
            self.say(f"Growth: {name}")
            rates = self.race({size: Single(operation(of)) for size, of in accounts.items()})
            for size in list(accounts)[1:]:
                yield self.ratio(rates, size, base, 0.85, note=name)
        yield Measure("bytes stored for a spend, indexes included", stored_bytes("grown"))

    def race(self, subjects: Mapping[str, Runner]) -> Rates:
        return race(subjects, rounds=self.size.rounds, seconds=self.size.seconds)

    def ratio(
        self, rates: Rates, subject: str, base: str, target: float | None = None, note: str = ""
    ) -> Measure:
        return Measure(
            f"{note}: {subject} / {base}" if note else f"{subject} / {base}",
            rates.ratio(subject, base),
            target,
            {name: rates.rate(name) for name in (subject, base)},
        )

    def consume(self, account: CreditAccount) -> Callable[[], Any]:
        return lambda: account.consume_credits(1, "Request")

    def consume_with_key(self) -> None:
        self.key += 1
        self.account.consume_credits(1, "Request", idempotency_key=f"request-{self.key}")

    def peer(self, using: str = "default") -> Callable[[], Any]:
        return lambda: peer.consume(self.peer_id, 1, "Request", using=using)

    def bare(self, row: int = 0) -> Callable[[], Any]:
        return partial(peer.bare_update, self.counters[row].pk, using="default")


def spend(account: CreditAccount) -> dict[str, Any]:
    """Return one of the spends for ``consume_many``."""
    return {"account": account, "amount": 1, "description": "Request"}


def page(account: CreditAccount, *, depth: float) -> Callable[[], Any]:
    """Return a function that reads the page of 25 lines at this part of the history."""
    newest = account.transactions.using(account._state.db).latest("sequence").sequence
    entries = account.transactions.using(account._state.db).select_related("service")
    keyset = Keyset(entries, field="sequence", tie="sequence", descending=True)
    after = str(int(newest * (1 - depth))) if depth else ""
    return lambda: keyset.page(after=after)


def stored_bytes(using: str) -> float:
    """Return the bytes on the disk of a line of the journal, with its allocation."""
    with connections[using].cursor() as cursor:
        cursor.execute(
            "SELECT (pg_total_relation_size('quickscale_credits_credittransaction')"
            " + pg_total_relation_size('quickscale_credits_creditallocation'))::float"
            " / (SELECT count(*) FROM quickscale_credits_credittransaction)"
        )
        [size] = cursor.fetchone()
    return float(size)


@contextmanager
def crowd(calls: list[Callable[[], Any]]) -> Iterator[Crowd]:
    runner = Crowd(calls)
    try:
        yield runner
    finally:
        runner.close()


@contextmanager
def far_database() -> Iterator[str]:
    """Yield an alias of the default database behind a slow network."""
    here = connections["default"].get_connection_params()
    settings = connections["default"].settings_dict
    with proxy.delayed(here.get("host", proxy.HOST), int(here.get("port") or 5432)) as port:
        connections.databases["far"] = {
            **settings,
            "ENGINE": "django.db.backends.postgresql",
            "HOST": proxy.HOST,
            "PORT": port,
            "USER": here.get("user", settings["USER"]),
        }
        try:
            yield "far"
        finally:
            connections["far"].close()
            del connections["far"]
            del connections.databases["far"]
