"""Measures the credit ledger; see ``docs/credits-speed.md`` and ``python -m benchmarks --help``."""
