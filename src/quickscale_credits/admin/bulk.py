"""Add the same credits to many accounts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from quickscale.admin.jobs import Job
from quickscale_credits.exceptions import CreditsError
from quickscale_credits.internal.databases import database_of, write_atomic
from quickscale_credits.models import CreditAccount

AT_ONCE = 100


def keep_grant(job: Job, grant: Mapping[str, Any]) -> None:
    """Store the arguments of ``ledger.add_credits`` with a job."""
    end: datetime | None = grant["expires_at"]
    job.data = {
        **grant,
        "amount": str(grant["amount"]),
        "expires_at": end.isoformat() if end else None,
    }


def grant_to(
    keys: Sequence[str], job: Job, *, actor: Any, dry_run: bool = False
) -> list[tuple[str, str]]:
    """Add a job's credits to the accounts with these keys; return who was refused, and why.

    Every account gets them only once, even if a request is repeated, because the idempotency key
    is the job's.
    """
    end = job.data["expires_at"]
    grant = {**job.data, "expires_at": datetime.fromisoformat(end) if end else None}
    refused = []
    using = database_of()
    accounts = CreditAccount.objects.using(using).filter(pk__in=keys)
    with write_atomic(using, dry_run=dry_run):
        for account in accounts.select_related("owner").order_by("pk"):
            try:
                account.add_credits(**grant, idempotency_key=f"bulk:{job.id}", actor=actor)
            except CreditsError as error:
                refused.append((str(account), str(error)))
    return refused
