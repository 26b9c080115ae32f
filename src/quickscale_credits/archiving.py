"""Moves old lines of the journal into the archive; the sums go on from one line."""

from __future__ import annotations

from datetime import datetime

from quickscale_credits import requests
from quickscale_credits.databases import database_of, write_atomic, write_cursor
from quickscale_credits.exceptions import UnsoundAccountError
from quickscale_credits.models import CreditAccount
from quickscale_credits.verification import verify


def archive(*, account: CreditAccount, before: datetime) -> int:
    """Move an account's lines from before a moment into the archive; how many were moved.

    One line of the kind ``carry`` takes the place of the last one, with its number, time and
    balance. Balances, lots, holds, uses and keys stay as they are. What was moved can no longer be
    reversed, and a use no longer names its transaction: the archived line names the use. Lines
    that a later line gives back stay, with all that came after them.

    Raises:
        UnsoundAccountError: the account has discrepancies; nothing was moved.
    """
    database = database_of(account)
    values = [requests.account_id(account), requests.moment("before", before)]
    with write_atomic(database), write_cursor(database) as cursor:
        CreditAccount._base_manager.using(database).select_for_update(no_key=True).get(
            pk=account.pk
        )
        _require_soundness(account, database)
        cursor.execute("SELECT quickscale_credits_archive(%s, %s)", values)
        moved: int = cursor.fetchone()[0]
        _require_soundness(account, database)
    return moved


def _require_soundness(account: CreditAccount, database: str) -> None:
    wrong = verify(account, using=database)
    if wrong:
        raise UnsoundAccountError(map(str, wrong))
