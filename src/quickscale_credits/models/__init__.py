"""The tables of the credit ledger and the rules that PostgreSQL itself enforces.

Rows of the journal (:class:`CreditTransaction`, :class:`CreditAllocation`) are never changed. All
writes go through :mod:`quickscale_credits.ledger`; the methods here are shortcuts for its calls.

For foreign keys without a database constraint, a migration creates one that includes the account,
so no row can refer to another account's lot, hold or transaction.
"""

from __future__ import annotations

from quickscale_credits.models.accounts import AccountChange, CreditAccount
from quickscale_credits.models.events import CreditEvent
from quickscale_credits.models.holds import CreditHold, CreditHoldAllocation
from quickscale_credits.models.journal import (
    CreditAllocation,
    CreditClaim,
    CreditLot,
    CreditTransaction,
)
from quickscale_credits.models.services import METER, Service, ServicePrice, ServiceUsage

__all__ = [
    "METER",
    "AccountChange",
    "CreditAccount",
    "CreditAllocation",
    "CreditClaim",
    "CreditEvent",
    "CreditHold",
    "CreditHoldAllocation",
    "CreditLot",
    "CreditTransaction",
    "Service",
    "ServicePrice",
    "ServiceUsage",
]
