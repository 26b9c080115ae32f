"""``python -m benchmarks`` measures the credit ledger and prints a table."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import django
from django.db import connections

if TYPE_CHECKING:
    from benchmarks import suite

RESULTS = Path(__file__).parent / "results"


def main() -> int:
    arguments = parse()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.settings")
    django.setup()
    from benchmarks import report, suite
    from benchmarks.profile import profile

    size = suite.QUICK if arguments.quick else suite.FULL
    with databases():
        facts = describe(size)
        benchmark = suite.Suite(size, say)
        measures = list(benchmark.run())
        shares = profile(benchmark.others, using="default")
    report.write_json(arguments.output, facts, measures, shares)
    if arguments.docs:
        report.write_docs(arguments.docs, facts, measures, shares)
    print(report.text(facts, measures, shares))
    return 0 if all(measure.is_met for measure in measures) else 1


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="run everything in a minute, without reliable figures"
    )
    parser.add_argument("--output", type=Path, default=RESULTS / "latest.json", metavar="JSON")
    parser.add_argument(
        "--docs", type=Path, metavar="FOLDER", help="write the documentation's table and chart"
    )
    return parser.parse_args()


def say(text: str) -> None:
    print(f"{text} …", file=sys.stderr, flush=True)


@contextmanager
def databases() -> Iterator[None]:
    """Make two databases that exist only for this run."""
    made = []
    try:
        for connection in connections.all():
            name = connection.settings_dict["NAME"]
            connection.creation.create_test_db(verbosity=0, autoclobber=True)
            made.append((connection, name))
        yield
    finally:
        for connection, name in made:
            connection.creation.destroy_test_db(name, verbosity=0)


def describe(size: suite.Size) -> dict[str, object]:
    """Return the facts that the figures depend on."""
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('server_version'), current_setting('fsync'),"
            " current_setting('synchronous_commit')"
        )
        version, fsync, commit = cursor.fetchone()
    return {
        "postgresql": version,
        "fsync": fsync,
        "synchronous_commit": commit,
        "django": django.get_version(),
        "python": platform.python_version(),
        "processors": os.cpu_count(),
        "rounds": size.rounds,
        "seconds_per_turn": size.seconds,
    }


if __name__ == "__main__":
    sys.exit(main())
