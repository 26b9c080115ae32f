"""The same credits for many accounts, some at a time, so that a page can show how far it is."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.sessions.backends.base import SessionBase

from quickscale_credits.exceptions import CreditsError
from quickscale_credits.internal.databases import database_of, write_atomic
from quickscale_credits.models import CreditAccount

SESSION_KEY = "quickscale_credits_bulk"
AT_ONCE = 100


@dataclass
class BulkGrant:
    """A grant for many accounts, kept in the session of the person who makes it.

    Every account gets it once, whatever is sent again: its idempotency key is the job's.
    """

    job: str
    accounts: list[int]
    grant: dict[str, Any] | None = None

    @classmethod
    def begin(cls, session: SessionBase, accounts: Iterable[int]) -> BulkGrant:
        bulk = cls(job=str(uuid.uuid4()), accounts=sorted(accounts))
        bulk.save(session)
        return bulk

    @classmethod
    def load(cls, session: SessionBase, job: str) -> BulkGrant | None:
        """The job of that id, when it is the session's last one."""
        kept = session.get(SESSION_KEY)
        return cls(**kept) if kept and kept["job"] == job else None

    def save(self, session: SessionBase) -> None:
        session[SESSION_KEY] = {
            "job": self.job,
            "accounts": self.accounts,
            "grant": self.grant,
        }

    def set_grant(self, grant: Mapping[str, Any]) -> None:
        end: datetime | None = grant["expires_at"]
        self.grant = {
            **grant,
            "amount": str(grant["amount"]),
            "expires_at": end.isoformat() if end else None,
        }

    def run(self, start: int, *, actor: Any, dry_run: bool = False) -> list[tuple[str, str]]:
        """Add the credits to the next accounts from ``start`` on; those refused, and why.

        A dry run goes over all accounts at once.
        """
        assert self.grant is not None  # noqa: S101  (a job is run after its form)
        end = self.grant["expires_at"]
        grant = {**self.grant, "expires_at": datetime.fromisoformat(end) if end else None}
        keys = self.accounts if dry_run else self.accounts[start : start + AT_ONCE]
        refused = []
        using = database_of()
        accounts = CreditAccount.objects.using(using).filter(pk__in=keys)
        with write_atomic(using, dry_run=dry_run):
            for account in accounts.select_related("owner").order_by("pk"):
                try:
                    account.add_credits(**grant, idempotency_key=f"bulk:{self.job}", actor=actor)
                except CreditsError as error:
                    refused.append((str(account), str(error)))
        return refused
