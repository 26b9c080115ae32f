"""Credits that are set aside."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar

from asgiref.sync import sync_to_async
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from quickscale.formats import in_credits
from quickscale_credits.internal.amounts import Amount
from quickscale_credits.managers import HoldManager
from quickscale_credits.models.base import (
    LedgerModel,
    account_key,
    actor_key,
    credits_field,
    credits_sum_field,
)

if TYPE_CHECKING:
    from quickscale_credits.models.journal import CreditTransaction


class CreditHold(LedgerModel):
    """Credits set aside for work in progress, until they are captured, released or time out."""

    class Status(models.TextChoices):
        OPEN = "open", _("Open")
        CAPTURED = "captured", _("Captured")
        RELEASED = "released", _("Released")
        EXPIRED = "expired", _("Timed out")

    account = account_key("holds")
    amount = credits_field(_("amount"))
    captured = credits_sum_field(_("captured"))
    status = models.CharField(
        _("status"), max_length=10, choices=Status, default=Status.OPEN, db_default=Status.OPEN
    )
    description = models.TextField(_("description"))
    service = models.ForeignKey(
        "quickscale_credits.Service",
        models.PROTECT,
        null=True,
        blank=True,
        db_index=False,
        related_name="holds",
        verbose_name=_("service"),
    )
    actor = actor_key()
    idempotency_key = models.CharField(max_length=255, blank=True, default="", db_default="")
    fingerprint = models.CharField(
        max_length=64, blank=True, default="", db_default="", editable=False
    )
    metadata = models.JSONField(_("metadata"), default=dict, blank=True)
    created_at = models.DateTimeField(_("created"))
    expires_at = models.DateTimeField(_("times out"))
    closed_at = models.DateTimeField(_("closed"), null=True, blank=True)

    objects: ClassVar[HoldManager[CreditHold]] = HoldManager()

    # Whether an earlier call wrote this row and the call that returned it wrote nothing.
    replayed: bool = False

    class Meta:
        verbose_name = _("hold")
        verbose_name_plural = _("holds")
        constraints = [
            models.CheckConstraint(
                condition=Q(amount__gt=0, captured__gte=0, captured__lte=F("amount"))
                & (Q(captured=0) | Q(status="captured")),
                name="quickscale_credits_hold_figures",
            ),
            models.CheckConstraint(
                condition=Q(status="open", closed_at__isnull=True)
                | Q(status__in=["captured", "released", "expired"], closed_at__isnull=False),
                name="quickscale_credits_hold_status",
            ),
            models.CheckConstraint(
                condition=Q(expires_at__gt=F("created_at")),
                name="quickscale_credits_hold_ends_after_it_begins",
            ),
            models.UniqueConstraint(
                fields=["account", "idempotency_key"],
                condition=~Q(idempotency_key="") & Q(status__in=["open", "captured"]),
                name="quickscale_credits_hold_idempotency",
            ),
            models.UniqueConstraint(
                fields=["account", "id"], name="quickscale_credits_hold_account_key"
            ),
        ]
        indexes = [
            models.Index(
                fields=["account", "expires_at"],
                condition=Q(status="open"),
                name="qs_credits_hold_open",
            ),
            models.Index(
                fields=["service"],
                condition=Q(service__isnull=False),
                name="qs_credits_hold_service",
            ),
            models.Index(
                fields=["actor"],
                condition=Q(actor__isnull=False),
                name="qs_credits_hold_actor",
            ),
        ]

    def __str__(self) -> str:
        return f"{in_credits(self.amount or 0)}: {self.get_status_display()}"

    def capture(self, amount: Amount | None = None) -> CreditTransaction | None:
        """Take the credits; see :func:`quickscale_credits.ledger.capture`."""
        from quickscale_credits import ledger

        return ledger.capture(hold=self, amount=amount)

    def prolong(self, ttl: timedelta) -> CreditHold:
        """Let the hold last longer; see :func:`quickscale_credits.ledger.prolong`."""
        from quickscale_credits import ledger

        return ledger.prolong(hold=self, ttl=ttl)

    def release(self) -> CreditHold:
        """Give the hold up; see :func:`quickscale_credits.ledger.release`."""
        from quickscale_credits import ledger

        return ledger.release(hold=self)

    acapture = sync_to_async(capture)
    aprolong = sync_to_async(prolong)
    arelease = sync_to_async(release)


class CreditHoldAllocation(models.Model):
    """How much of a lot a hold sets aside."""

    account = account_key(db_constraint=False)
    hold = models.ForeignKey(
        "quickscale_credits.CreditHold",
        models.PROTECT,
        db_index=False,
        db_constraint=False,
        related_name="allocations",
    )
    lot = models.ForeignKey(
        "quickscale_credits.CreditLot",
        models.PROTECT,
        db_index=False,
        db_constraint=False,
        related_name="hold_allocations",
    )
    amount = credits_field(_("amount"))

    class Meta:
        verbose_name = _("hold allocation")
        verbose_name_plural = _("hold allocations")
        constraints = [
            models.CheckConstraint(
                condition=Q(amount__gt=0), name="quickscale_credits_hold_allocation_positive"
            ),
            models.UniqueConstraint(
                fields=["hold", "lot"], name="quickscale_credits_hold_allocation_once"
            ),
        ]
        indexes = [
            models.Index(fields=["lot", "hold"], name="qs_credits_holdall_lot"),
        ]

    def __str__(self) -> str:
        return in_credits(self.amount or 0)
