"""Measure the credit ledger; see ``docs/explanation/credits-speed.md`` and ``--help``."""
