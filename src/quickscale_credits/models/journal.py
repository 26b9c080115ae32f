"""Lots, and the journal of what was put into them and taken from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from asgiref.sync import sync_to_async
from django.db import models
from django.db.models import ExpressionWrapper, F, Q
from django.utils.translation import gettext_lazy as _

from quickscale.formats import format_credits
from quickscale_credits.internal.amounts import Amount
from quickscale_credits.managers import LotManager
from quickscale_credits.models.base import (
    MYPY,
    LedgerModel,
    account_key,
    actor_key,
    credits_field,
    credits_sum_field,
)


class CreditLot(LedgerModel):
    """Credits that came in together: one purchase, one period of a subscription, one gift."""

    class CreditType(models.TextChoices):
        SUBSCRIPTION = "subscription", _("Subscription")
        PAYG = "payg", _("Pay as you go")
        TRIAL = "trial", _("Trial")
        BONUS = "bonus", _("Bonus")
        ADJUSTMENT = "adjustment", _("Adjustment")
        OVERDRAFT = "overdraft", _("Overdraft")

    account = account_key("lots")
    credit_type = models.CharField(_("type"), max_length=12, choices=CreditType)
    priority = models.SmallIntegerField(_("priority"), help_text=_("Lower is spent first."))
    amount = credits_field(_("amount"))
    remaining = credits_field(_("remaining"))
    held = credits_sum_field(_("held"))
    lost = credits_sum_field(
        editable=False, help_text=_("Credits that expired, were revoked or were transferred.")
    )
    owed = credits_sum_field(
        _("still to be revoked"),
        help_text=_(
            "Credits that revocations take once they come back, here or where they were moved."
        ),
    )
    # It changes only with the first and the last debt, so its index does not slow down a spend.
    owes = models.GeneratedField(
        expression=ExpressionWrapper(
            Q(owed__gt=0) | Q(remaining__lt=0), output_field=models.BooleanField()
        ),
        output_field=models.BooleanField(),
        db_persist=True,
    )
    # A separate column, so spending a part of a lot changes no index and stays a HOT update.
    is_open = models.GeneratedField(
        expression=ExpressionWrapper(~Q(remaining=0, held=0), output_field=models.BooleanField()),
        output_field=models.BooleanField(),
        db_persist=True,
    )
    effective_at = models.DateTimeField(_("begins"))
    expires_at = models.DateTimeField(_("ends"), null=True, blank=True)
    source_type = models.CharField(max_length=40, blank=True, default="", db_default="")
    source_id = models.CharField(max_length=255, blank=True, default="", db_default="")
    cost_amount = models.BigIntegerField(
        _("money paid"), null=True, blank=True, help_text=_("In the currency's smallest unit.")
    )
    cost_currency = models.CharField(
        _("currency"), max_length=3, blank=True, default="", db_default=""
    )
    period_start = models.DateTimeField(null=True, blank=True)
    period_end = models.DateTimeField(null=True, blank=True)
    warned_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text=_("When the end was last announced.")
    )
    parent = models.ForeignKey(
        "self",
        models.PROTECT,
        db_index=False,
        db_constraint=False,
        null=True,
        blank=True,
        related_name="children",
    )
    transferred_from = models.ForeignKey(
        "self",
        models.PROTECT,
        db_index=False,
        null=True,
        blank=True,
        related_name="transfers",
        verbose_name=_("transferred from"),
        help_text=_("The lot of another account that these credits came from."),
    )
    created_at = models.DateTimeField(_("created"))

    objects: ClassVar[LotManager[CreditLot]] = LotManager()

    class Meta:
        verbose_name = _("credit lot")
        verbose_name_plural = _("credit lots")
        constraints = [
            models.CheckConstraint(
                condition=Q(held__gte=0, remaining__lte=F("amount"))
                & (Q(held__lte=F("remaining")) | Q(credit_type="overdraft")),
                name="quickscale_credits_lot_figures",
            ),
            models.CheckConstraint(
                condition=Q(lost__gte=0, owed__gte=0), name="quickscale_credits_lot_lost"
            ),
            models.CheckConstraint(
                condition=(~Q(credit_type="subscription") | Q(expires_at__isnull=False))
                & (~Q(credit_type__in=["payg", "overdraft"]) | Q(expires_at__isnull=True)),
                name="quickscale_credits_lot_end_by_type",
            ),
            models.CheckConstraint(
                condition=Q(expires_at__isnull=True) | Q(expires_at__gt=F("effective_at")),
                name="quickscale_credits_lot_ends_after_it_begins",
            ),
            models.UniqueConstraint(
                fields=["source_type", "source_id"],
                condition=~Q(source_type="") & Q(transferred_from__isnull=True),
                name="quickscale_credits_lot_source",
            ),
            models.UniqueConstraint(
                fields=["account"],
                condition=Q(credit_type="overdraft"),
                name="quickscale_credits_lot_one_overdraft",
            ),
            models.UniqueConstraint(
                fields=["account", "id"], name="quickscale_credits_lot_account_key"
            ),
        ]
        indexes = [
            models.Index(
                fields=["account", "priority", "expires_at", "id"],
                condition=Q(is_open=True),
                name="qs_credits_lot_open",
            ),
            models.Index(
                fields=["parent"],
                condition=Q(parent__isnull=False),
                name="qs_credits_lot_parent",
            ),
            models.Index(
                fields=["transferred_from"],
                condition=Q(transferred_from__isnull=False),
                name="qs_credits_lot_transferred",
            ),
            models.Index(
                fields=["account", "effective_at"],
                condition=Q(effective_at__gt=F("created_at")),
                name="qs_credits_lot_scheduled",
            ),
            models.Index(
                fields=["source_type", "source_id"],
                condition=~Q(source_type=""),
                name="qs_credits_lot_source",
            ),
            models.Index(
                fields=["expires_at"],
                condition=Q(is_open=True, expires_at__isnull=False),
                name="qs_credits_lot_ends",
            ),
            models.Index(
                fields=["account"],
                condition=Q(owes=True),
                name="qs_credits_lot_owes",
            ),
        ]

    if TYPE_CHECKING and not MYPY:

        @property
        def allocations(self) -> models.Manager[CreditAllocation]: ...
        @property
        def children(self) -> LotManager[CreditLot]: ...
        @property
        def transfers(self) -> LotManager[CreditLot]: ...

    def __str__(self) -> str:
        return _("%(type)s: %(left)s of %(amount)s left") % {
            "type": self.get_credit_type_display(),
            "left": format_credits(self.remaining or 0),
            "amount": format_credits(self.amount or 0),
        }


class CreditTransaction(models.Model):
    """A line of the ledger; PostgreSQL refuses to change or delete it."""

    class Kind(models.TextChoices):
        GRANT = "grant", _("Added")
        CONSUME = "consume", _("Used")
        EXPIRE = "expire", _("Expired")
        REVOKE = "revoke", _("Revoked")
        REVERSE = "reverse", _("Given back")
        ADJUST = "adjust", _("Adjusted")
        CONVERT = "convert", _("Converted")
        TRANSFER = "transfer", _("Transferred")

    account = account_key("transactions")
    sequence = models.BigIntegerField(_("number"))
    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    amount = credits_field(_("amount"))
    balance_after = credits_field(_("balance after"))
    shortfall = credits_sum_field(
        _("shortfall"),
        help_text=_("What a revocation or the charge for finished work could not take."),
    )
    description = models.TextField(_("description"))
    service = models.ForeignKey(
        "quickscale_credits.Service",
        models.PROTECT,
        null=True,
        blank=True,
        db_index=False,
        related_name="transactions",
        verbose_name=_("service"),
    )
    actor = actor_key()
    hold = models.ForeignKey(
        "quickscale_credits.CreditHold",
        models.PROTECT,
        db_index=False,
        db_constraint=False,
        null=True,
        blank=True,
        related_name="transactions",
    )
    reverses = models.ForeignKey(
        "self",
        models.PROTECT,
        db_index=False,
        db_constraint=False,
        null=True,
        blank=True,
        related_name="reversals",
    )
    idempotency_key = models.CharField(max_length=255, blank=True, default="", db_default="")
    fingerprint = models.CharField(
        max_length=64, blank=True, default="", db_default="", editable=False
    )
    metadata = models.JSONField(_("metadata"), default=dict, blank=True)
    created_at = models.DateTimeField(_("time"))

    # Whether an earlier call wrote this row and the call that returned it wrote nothing.
    replayed: bool = False

    class Meta:
        verbose_name = _("credit transaction")
        verbose_name_plural = _("credit transactions")
        ordering = ["account", "-sequence"]
        constraints = [
            models.CheckConstraint(
                condition=Q(amount__gt=0, kind__in=["grant", "reverse", "adjust"])
                | Q(amount__lt=0, kind__in=["consume", "expire", "revoke", "adjust"])
                | Q(amount=0, kind__in=["revoke", "reverse", "convert"])
                | Q(amount=0, kind="consume", shortfall__gt=0)
                | (Q(kind="transfer") & ~Q(amount=0)),
                name="quickscale_credits_transaction_sign",
            ),
            models.CheckConstraint(
                condition=Q(shortfall=0) | Q(kind__in=["revoke", "consume"], shortfall__gt=0),
                name="quickscale_credits_transaction_shortfall",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["reverse", "convert"], reverses__isnull=False)
                | Q(~Q(kind="reverse"), reverses__isnull=True),
                name="quickscale_credits_transaction_reverses",
            ),
            models.UniqueConstraint(
                fields=["account", "sequence"], name="quickscale_credits_transaction_sequence"
            ),
            models.UniqueConstraint(
                fields=["account", "idempotency_key"],
                condition=~Q(idempotency_key=""),
                name="quickscale_credits_transaction_idempotency",
            ),
            models.UniqueConstraint(
                fields=["account", "id"], name="quickscale_credits_transaction_account_key"
            ),
            models.UniqueConstraint(
                fields=["hold"],
                condition=Q(hold__isnull=False),
                name="quickscale_credits_transaction_one_capture",
            ),
        ]
        indexes = [
            models.Index(fields=["account", "amount", "sequence"], name="qs_credits_tx_amount"),
            models.Index(
                fields=["reverses"],
                condition=Q(reverses__isnull=False),
                name="qs_credits_tx_reverses",
            ),
            models.Index(
                fields=["service"],
                condition=Q(service__isnull=False),
                name="qs_credits_tx_service",
            ),
            models.Index(
                fields=["actor"],
                condition=Q(actor__isnull=False),
                name="qs_credits_tx_actor",
            ),
        ]

    if TYPE_CHECKING and not MYPY:

        @property
        def allocations(self) -> models.Manager[CreditAllocation]: ...
        @property
        def reversals(self) -> models.Manager[CreditTransaction]: ...

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {format_credits(self.amount or 0, signed=True)}"

    def reverse(
        self,
        amount: Amount | None = None,
        *,
        reason: str,
        idempotency_key: str | None = None,
        actor: Any = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> CreditTransaction:
        """Give credits back; see :func:`quickscale_credits.ledger.reverse`."""
        from quickscale_credits import ledger

        return ledger.reverse(
            transaction=self,
            amount=amount,
            reason=reason,
            idempotency_key=idempotency_key,
            actor=actor,
            metadata=metadata,
        )

    areverse = sync_to_async(reverse)


class CreditAllocation(models.Model):
    """How much a transaction put into a lot, or took from it (negative)."""

    account = account_key(db_constraint=False)
    transaction = models.ForeignKey(
        "quickscale_credits.CreditTransaction",
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
        related_name="allocations",
    )
    amount = credits_field(_("amount"))

    class Meta:
        verbose_name = _("allocation")
        verbose_name_plural = _("allocations")
        constraints = [
            models.UniqueConstraint(
                fields=["transaction", "lot"], name="quickscale_credits_allocation_once"
            ),
        ]
        indexes = [
            models.Index(fields=["lot", "transaction"], name="qs_credits_alloc_lot"),
        ]

    def __str__(self) -> str:
        return format_credits(self.amount or 0, signed=True)


class CreditClaim(models.Model):
    """A change in what a revocation is still owed, when it claims, collects or waives credits.

    A claim consists of all rows of a ``revocation`` and a ``lot``; their sum is what is still owed.
    ``transaction`` made the change: the revocation itself, a later transaction that took what had
    come back (to the lot or to one made of it), or the reversal of the revocation.
    """

    account = account_key(db_constraint=False)
    lot = models.ForeignKey(
        "quickscale_credits.CreditLot",
        models.PROTECT,
        db_index=False,
        db_constraint=False,
        related_name="claims",
    )
    revocation = models.ForeignKey(
        "quickscale_credits.CreditTransaction",
        models.PROTECT,
        db_index=False,
        db_constraint=False,
        related_name="claims",
    )
    transaction = models.ForeignKey(
        "quickscale_credits.CreditTransaction",
        models.PROTECT,
        db_index=False,
        db_constraint=False,
        related_name="+",
    )
    amount = credits_field(_("amount"))
    freezes = models.BooleanField(
        default=False, db_default=False, help_text=_("The account is frozen because of this claim.")
    )

    class Meta:
        verbose_name = _("revocation claim")
        verbose_name_plural = _("revocation claims")
        constraints = [
            models.UniqueConstraint(
                fields=["revocation", "lot", "transaction"], name="quickscale_credits_claim_once"
            ),
        ]
        indexes = [
            models.Index(fields=["lot"], name="qs_credits_claim_lot"),
            models.Index(fields=["transaction"], name="qs_credits_claim_tx"),
            models.Index(
                fields=["account"], condition=Q(freezes=True), name="qs_credits_claim_freezes"
            ),
        ]

    def __str__(self) -> str:
        return format_credits(self.amount or 0, signed=True)
