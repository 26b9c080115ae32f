# ruff: noqa: DJ008 (nobody looks at these rows)
"""A simple ledger without rules in the database."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class Account(models.Model):
    balance = models.DecimalField(max_digits=19, decimal_places=4, default=0)
    next_sequence = models.BigIntegerField(default=1)
    updated_at = models.DateTimeField(auto_now=True)


class Lot(models.Model):
    account = models.ForeignKey(Account, models.PROTECT, db_index=False)
    priority = models.SmallIntegerField(default=30)
    amount = models.DecimalField(max_digits=19, decimal_places=4)
    remaining = models.DecimalField(max_digits=19, decimal_places=4)
    effective_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["account", "priority", "expires_at", "id"],
                condition=Q(remaining__gt=0),
                name="peer_open_lots",
            )
        ]


class Entry(models.Model):
    account = models.ForeignKey(Account, models.PROTECT, db_index=False)
    sequence = models.BigIntegerField()
    kind = models.CharField(max_length=10)
    amount = models.DecimalField(max_digits=19, decimal_places=4)
    balance_after = models.DecimalField(max_digits=19, decimal_places=4)
    description = models.TextField()
    idempotency_key = models.CharField(max_length=255, blank=True)
    metadata = models.JSONField(default=dict)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "sequence"], name="peer_sequence"),
            models.UniqueConstraint(
                fields=["account", "idempotency_key"],
                condition=~Q(idempotency_key=""),
                name="peer_key",
            ),
        ]


class Allocation(models.Model):
    entry = models.ForeignKey(Entry, models.PROTECT)
    lot = models.ForeignKey(Lot, models.PROTECT)
    amount = models.DecimalField(max_digits=19, decimal_places=4)


class Event(models.Model):
    account = models.ForeignKey(Account, models.PROTECT)
    kind = models.CharField(max_length=12)
    payload = models.JSONField()
    created_at = models.DateTimeField()


class Counter(models.Model):
    """The row that the bare statement updates."""

    balance = models.DecimalField(max_digits=19, decimal_places=4)
