"""The ledger in Django's admin."""

from __future__ import annotations

from quickscale_credits.admin import accounts, events, journal, services

__all__ = ["accounts", "events", "journal", "services"]
