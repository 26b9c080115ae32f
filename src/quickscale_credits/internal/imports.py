"""Import credits from a CSV file: report every problem, and write all of the file or nothing.

The first line names the columns: ``owner`` (a user's email address or the owner's key), ``amount``
and ``description``, and optionally ``type`` (by default ``payg``), ``expires`` (``2027-01-31`` or
``2027-01-31T12:00``) and ``key``, which makes a line safe to import again.
"""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from io import StringIO
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from quickscale.internal.owners import OwnerNotFoundError, find_owner
from quickscale_credits.exceptions import CreditsError
from quickscale_credits.internal.databases import database_of, require_database, write_atomic
from quickscale_credits.models import CreditAccount, CreditTransaction

REQUIRED = ("owner", "amount", "description")
OPTIONAL = ("type", "expires", "key")
MAX_ROWS = 10_000


@dataclass
class Import:
    """What an import did or would do. Any of the ``problems`` (line, text) stops all of it."""

    rows: int = 0
    credits: Decimal = Decimal(0)
    accounts: set[int] = field(default_factory=set)
    problems: list[tuple[int, str]] = field(default_factory=list)


class BadFileError(ValueError):
    """The file as a whole can't be read; the message says why."""


def import_credits(
    content: str, *, actor: Any = None, dry_run: bool = False, using: str | None = None
) -> Import:
    """Add the credits of a CSV file in one transaction; with ``dry_run``, only return what it does.

    Importing the same file again adds nothing: a line without a key gets one that is made from the
    file's content and the line's number.

    Raises:
        BadFileError: there is no header, a column is missing, or the file has too many lines.
        InvalidRequestError: the site's router writes an account to another database than ``using``.
    """
    rows = _read(content)
    digest = hashlib.sha256(content.encode()).hexdigest()[:32]
    result = Import(rows=len(rows))
    using = using or database_of()
    with write_atomic(using):
        for account, line, row in _by_account(rows, result, using):
            try:
                entry = _add(account, row, f"import:{digest}:{line}", actor)
            except (CreditsError, ValueError) as error:
                result.problems.append((line, str(error)))
            else:
                result.credits += entry.amount
                result.accounts.add(entry.account_id)
        if dry_run or result.problems:
            transaction.set_rollback(True, using=using)
    result.problems.sort()
    return result


def _by_account(
    rows: list[tuple[int, dict[str, str]]], result: Import, using: str
) -> list[tuple[CreditAccount, int, dict[str, str]]]:
    """Return the rows with their accounts, ordered by account id, the order of the locks."""
    accounts: dict[str, CreditAccount | OwnerNotFoundError] = {}
    found = []
    for line, row in rows:
        name = row["owner"]
        if name not in accounts:
            accounts[name] = _account(name, using)
        account = accounts[name]
        if isinstance(account, OwnerNotFoundError):
            result.problems.append((line, str(account)))
        else:
            found.append((account, line, row))
    return sorted(found, key=lambda item: item[0].pk)


def _account(name: str, using: str) -> CreditAccount | OwnerNotFoundError:
    try:
        account = CreditAccount.objects.db_manager(using).for_owner(find_owner(name, using=using))
    except OwnerNotFoundError as error:
        return error
    require_database(account, using)
    return account


def _read(content: str) -> list[tuple[int, dict[str, str]]]:
    reader = csv.DictReader(StringIO(content.removeprefix("\ufeff")), strict=True)
    try:
        names = [name.strip().lower() for name in reader.fieldnames or []]
        missing = [name for name in REQUIRED if name not in names]
        if missing:
            raise BadFileError(f"The first line must name the columns {', '.join(missing)}.")
        unknown = [name for name in names if name not in (*REQUIRED, *OPTIONAL)]
        if unknown:
            raise BadFileError(f"There are unknown columns: {', '.join(unknown)}.")
        reader.fieldnames = names
        rows = [
            (reader.line_num, {name: (value or "").strip() for name, value in row.items() if name})
            for row in reader
        ]
    except csv.Error as error:
        raise BadFileError(f"Line {reader.line_num + 1}: {error}.") from error
    if len(rows) > MAX_ROWS:
        raise BadFileError(f"The file has more than {MAX_ROWS} lines.")
    return rows


def _add(
    account: CreditAccount, row: dict[str, str], default_key: str, actor: Any
) -> CreditTransaction:
    expires = row.get("expires")
    return account.add_credits(
        row["amount"],
        row["description"],
        credit_type=row.get("type") or "payg",
        expires_at=parse_moment(expires) if expires else None,
        idempotency_key=row.get("key") or default_key,
        actor=actor,
        metadata={"imported": True},
    )


def parse_moment(text: str) -> datetime:
    """Return a local time from ``2027-01-31`` (the end of the day) or ``2027-01-31T12:00``.

    Raises:
        ValueError: ``text`` is not such a time.
    """
    value: date | datetime | None = parse_datetime(text) if "T" in text else parse_date(text)
    if value is None:
        raise ValueError(f"{text!r} is not a date such as 2027-01-31.")
    if not isinstance(value, datetime):
        value = datetime.combine(value, time.max)
    return value if timezone.is_aware(value) else timezone.make_aware(value)
