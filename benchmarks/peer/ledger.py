"""The spend of the ORM ledger, and a bare statement, which no spend can be faster than."""

from __future__ import annotations

from decimal import Decimal

from django.db import connections, transaction
from django.db.models import F
from django.utils import timezone

from benchmarks.peer.models import Account, Allocation, Counter, Entry, Event, Lot


class InsufficientError(Exception):
    pass


def open_account(amount: int, *, using: str) -> int:
    """Open an account with one lot; return its id."""
    account = Account.objects.using(using).create(balance=amount, next_sequence=2)
    now = timezone.now()
    lot = Lot.objects.using(using).create(
        account=account, amount=amount, remaining=amount, effective_at=now
    )
    _write(account, "grant", {lot: Decimal(amount)}, "Bought", "", sequence=1, using=using)
    return account.pk


def consume(
    account_id: int, amount: Decimal | int, description: str, key: str = "", *, using: str
) -> Entry:
    """Lock, look for a replay, expire what is due, take from the lots in order, and write."""
    with transaction.atomic(using=using):
        account = Account.objects.using(using).select_for_update().get(pk=account_id)
        if key:
            seen = Entry.objects.using(using).filter(account=account, idempotency_key=key).first()
            if seen:
                return seen
        now = timezone.now()
        lots = Lot.objects.using(using).filter(account=account, remaining__gt=0)
        wanted = Decimal(amount)
        parts: dict[Lot, Decimal] = {}
        for lot in lots.order_by("priority", F("expires_at").asc(nulls_last=True), "pk"):
            if lot.expires_at and lot.expires_at <= now:
                _post(account, "expire", {lot: -lot.remaining}, "Expired", "", using=using)
            elif lot.effective_at <= now and wanted:
                parts[lot] = -min(lot.remaining, wanted)
                wanted += parts[lot]
        if wanted:
            raise InsufficientError
        return _post(account, "consume", parts, description, key, using=using)


def _post(
    account: Account, kind: str, parts: dict[Lot, Decimal], text: str, key: str, *, using: str
) -> Entry:
    for lot, part in parts.items():
        lot.remaining += part
        lot.save(update_fields=["remaining"])
    sequence = account.next_sequence
    account.balance += sum(parts.values())
    account.next_sequence += 1
    account.save(update_fields=["balance", "next_sequence", "updated_at"])
    return _write(account, kind, parts, text, key, sequence=sequence, using=using)


def _write(
    account: Account,
    kind: str,
    parts: dict[Lot, Decimal],
    text: str,
    key: str,
    *,
    sequence: int,
    using: str,
) -> Entry:
    now = timezone.now()
    entry = Entry.objects.using(using).create(
        account=account,
        sequence=sequence,
        kind=kind,
        amount=sum(parts.values()),
        balance_after=account.balance,
        description=text,
        idempotency_key=key,
        created_at=now,
    )
    Allocation.objects.using(using).bulk_create(
        Allocation(entry=entry, lot=lot, amount=part) for lot, part in parts.items()
    )
    Event.objects.using(using).create(
        account=account,
        kind=kind,
        payload={"entry": entry.pk, "balance": str(account.balance)},
        created_at=now,
    )
    return entry


def bare_update(counter_id: int, *, using: str) -> Decimal:
    """Change one row by one statement, and commit."""
    with connections[using].cursor() as cursor:
        cursor.execute(
            f"UPDATE {Counter._meta.db_table} SET balance = balance - 1 "
            "WHERE id = %s RETURNING balance",
            [counter_id],
        )
        row: tuple[Decimal] = cursor.fetchone()
    return row[0]
