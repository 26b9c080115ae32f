"""The tables of the credit ledger and the rules that PostgreSQL itself keeps.

Rows of the journal (:class:`CreditTransaction`, :class:`CreditAllocation`) are never changed. All
writes go through :mod:`quickscale_credits.ledger`; the methods here are the same calls in short.

Keys without a database constraint here have one that a migration makes: it holds the account too,
so that no row refers to another account's lot, hold or transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import ExpressionWrapper, F, Q
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _

from quickscale.owner import owner_model_name
from quickscale_credits.amounts import DIGITS, PLACES, Amount, parse_amount, round_up
from quickscale_credits.managers import (
    AccountManager,
    HoldManager,
    LotManager,
    ServiceManager,
)


class LedgerModel(models.Model):
    """A row that the ledger's functions keep: a stale instance never writes its figures back."""

    writable_fields: ClassVar[tuple[str, ...]] = ()

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Of a stored row, write what is not the ledger's own.

        Raises:
            TypeError: ``update_fields`` has a field of the ledger, or the row has no other.
        """
        if not self._state.adding:
            fields = kwargs.setdefault("update_fields", self.writable_fields)
            if not fields or not set(fields) <= set(self.writable_fields):
                raise TypeError(f"Only quickscale_credits.ledger changes a {type(self).__name__}.")
        super().save(*args, **kwargs)


class CreditAccount(LedgerModel):
    """The credits of one owner. Its row is the one lock of every write."""

    class Status(models.TextChoices):
        ACTIVE = "active", _("Active")
        FROZEN = "frozen", _("Frozen")
        CLOSED = "closed", _("Closed")

    owner = models.OneToOneField(
        owner_model_name(),
        on_delete=models.PROTECT,
        related_name="credit_account",
        verbose_name=_("owner"),
    )
    status = models.CharField(
        _("status"), max_length=10, choices=Status, default=Status.ACTIVE, db_default=Status.ACTIVE
    )
    posted = models.DecimalField(
        _("posted balance"),
        max_digits=DIGITS,
        decimal_places=PLACES,
        default=Decimal(0),
        db_default=0,
    )
    held = models.DecimalField(
        _("held"), max_digits=DIGITS, decimal_places=PLACES, default=Decimal(0), db_default=0
    )
    overdraft_limit = models.DecimalField(
        _("overdraft limit"),
        max_digits=DIGITS,
        decimal_places=PLACES,
        default=Decimal(0),
        db_default=0,
    )
    next_sequence = models.BigIntegerField(default=1, db_default=1, editable=False)
    next_due_at = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text=_("No lot ends and no hold times out before this moment."),
    )
    low_balance_threshold = models.DecimalField(
        _("low balance at"), max_digits=DIGITS, decimal_places=PLACES, null=True, blank=True
    )
    low_balance_armed = models.BooleanField(default=True, db_default=True, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("changed"), auto_now=True)

    objects: ClassVar[AccountManager] = AccountManager()

    writable_fields = ("low_balance_threshold", "updated_at")

    class Meta:
        verbose_name = _("credit account")
        verbose_name_plural = _("credit accounts")
        constraints = [
            models.CheckConstraint(
                condition=Q(posted__gte=F("held") - F("overdraft_limit")),
                name="quickscale_credits_account_not_overspent",
            ),
            models.CheckConstraint(
                condition=Q(held__gte=0, overdraft_limit__gte=0, next_sequence__gte=1),
                name="quickscale_credits_account_not_negative",
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_due_at"],
                condition=Q(next_due_at__isnull=False),
                name="qs_credits_account_due",
            )
        ]

    def __str__(self) -> str:
        return str(self.owner)

    def add_credits(
        self,
        amount: Amount,
        description: str,
        *,
        credit_type: str = "payg",
        expires_at: datetime | None = None,
        source: tuple[str, str] | None = None,
        idempotency_key: str | None = None,
        actor: Any = None,
        metadata: Mapping[str, Any] | None = None,
        effective_at: datetime | None = None,
        priority: int | None = None,
        cost: tuple[int, str] | None = None,
        period: tuple[datetime, datetime] | None = None,
    ) -> CreditTransaction:
        """Put credits in; see :func:`quickscale_credits.ledger.add_credits`."""
        from quickscale_credits import ledger

        return ledger.add_credits(
            account=self,
            amount=amount,
            description=description,
            credit_type=credit_type,
            expires_at=expires_at,
            source=source,
            idempotency_key=idempotency_key,
            actor=actor,
            metadata=metadata,
            effective_at=effective_at,
            priority=priority,
            cost=cost,
            period=period,
        )

    def consume_credits(
        self,
        amount: Amount,
        description: str,
        *,
        service: Service | None = None,
        idempotency_key: str | None = None,
        actor: Any = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> CreditTransaction:
        """Spend credits; see :func:`quickscale_credits.ledger.consume_credits`."""
        from quickscale_credits import ledger

        return ledger.consume_credits(
            account=self,
            amount=amount,
            description=description,
            service=service,
            idempotency_key=idempotency_key,
            actor=actor,
            metadata=metadata,
        )

    def remove_credits(
        self,
        amount: Amount,
        description: str,
        *,
        actor: Any = None,
        idempotency_key: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> CreditTransaction:
        """Take credits away by hand; see :func:`quickscale_credits.ledger.remove_credits`."""
        from quickscale_credits import ledger

        return ledger.remove_credits(
            account=self,
            amount=amount,
            description=description,
            actor=actor,
            idempotency_key=idempotency_key,
            metadata=metadata,
        )

    def hold_credits(
        self,
        amount: Amount,
        description: str,
        *,
        ttl: timedelta,
        idempotency_key: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        service: Service | None = None,
        actor: Any = None,
    ) -> CreditHold:
        """Set credits aside; see :func:`quickscale_credits.ledger.hold_credits`."""
        from quickscale_credits import ledger

        return ledger.hold_credits(
            account=self,
            amount=amount,
            description=description,
            ttl=ttl,
            service=service,
            idempotency_key=idempotency_key,
            actor=actor,
            metadata=metadata,
        )

    def get_balance(self) -> Decimal:
        """Credits that have begun and have not ended, held ones included."""
        return self.lots.balance()

    def get_available_balance(self) -> Decimal:
        """What a spend can use now without an overdraft: the balance less what is held."""
        return self.lots.available()

    def get_balance_by_type(self) -> dict[str, Decimal]:
        """The balance of each type of credit, every type included."""
        return self.lots.balance_by_type()

    def get_expiring_credits(self, within: timedelta = timedelta(days=7)) -> Decimal:
        """The part of the available balance that ends within that time."""
        return self.lots.expiring(within)

    aadd_credits = sync_to_async(add_credits)
    aconsume_credits = sync_to_async(consume_credits)
    aremove_credits = sync_to_async(remove_credits)
    ahold_credits = sync_to_async(hold_credits)
    aget_balance = sync_to_async(get_balance)
    aget_available_balance = sync_to_async(get_available_balance)
    aget_balance_by_type = sync_to_async(get_balance_by_type)
    aget_expiring_credits = sync_to_async(get_expiring_credits)


class CreditLot(LedgerModel):
    """Credits that came in together: one purchase, one period of a subscription, one gift."""

    class CreditType(models.TextChoices):
        SUBSCRIPTION = "subscription", _("Subscription")
        PAYG = "payg", _("Pay as you go")
        TRIAL = "trial", _("Trial")
        BONUS = "bonus", _("Bonus")
        ADJUSTMENT = "adjustment", _("Adjustment")
        OVERDRAFT = "overdraft", _("Overdraft")

    account = models.ForeignKey(
        CreditAccount,
        models.PROTECT,
        db_index=False,
        related_name="lots",
        verbose_name=_("account"),
    )
    credit_type = models.CharField(_("type"), max_length=12, choices=CreditType)
    priority = models.SmallIntegerField(_("priority"), help_text=_("Lower is spent first."))
    amount = models.DecimalField(_("amount"), max_digits=DIGITS, decimal_places=PLACES)
    remaining = models.DecimalField(_("remaining"), max_digits=DIGITS, decimal_places=PLACES)
    held = models.DecimalField(
        _("held"), max_digits=DIGITS, decimal_places=PLACES, default=Decimal(0), db_default=0
    )
    gone = models.DecimalField(
        max_digits=DIGITS,
        decimal_places=PLACES,
        default=Decimal(0),
        db_default=0,
        editable=False,
        help_text=_("What expired or was revoked."),
    )
    revoked_due = models.DecimalField(
        _("still to be revoked"),
        max_digits=DIGITS,
        decimal_places=PLACES,
        default=Decimal(0),
        db_default=0,
        help_text=_("What revocations take as soon as it comes back, here or where it was moved."),
    )
    # An index on it costs a spend nothing, for it changes only with the first and the last debt.
    owes = models.GeneratedField(
        expression=ExpressionWrapper(
            Q(revoked_due__gt=0) | Q(remaining__lt=0), output_field=models.BooleanField()
        ),
        output_field=models.BooleanField(),
        db_persist=True,
    )
    # A column of its own, so that spending a part of a lot changes no index (a HOT update).
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
        null=True, blank=True, editable=False, help_text=_("When its end was last announced.")
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
    created_at = models.DateTimeField(_("created"))

    objects: ClassVar[LotManager[CreditLot]] = LotManager()

    class Meta:
        verbose_name = _("lot of credits")
        verbose_name_plural = _("lots of credits")
        constraints = [
            models.CheckConstraint(
                condition=Q(held__gte=0, remaining__lte=F("amount"))
                & (Q(held__lte=F("remaining")) | Q(credit_type="overdraft")),
                name="quickscale_credits_lot_figures",
            ),
            models.CheckConstraint(
                condition=Q(gone__gte=0, revoked_due__gte=0), name="quickscale_credits_lot_lost"
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
                condition=~Q(source_type=""),
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

    def __str__(self) -> str:
        return f"{self.get_credit_type_display()} {self.remaining}/{self.amount}"


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
        CARRY = "carry", _("Carried forward")

    account = models.ForeignKey(
        CreditAccount,
        models.PROTECT,
        db_index=False,
        related_name="transactions",
        verbose_name=_("account"),
    )
    sequence = models.BigIntegerField(_("number"))
    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    amount = models.DecimalField(_("amount"), max_digits=DIGITS, decimal_places=PLACES)
    balance_after = models.DecimalField(
        _("balance after"), max_digits=DIGITS, decimal_places=PLACES
    )
    shortfall = models.DecimalField(
        _("shortfall"),
        max_digits=DIGITS,
        decimal_places=PLACES,
        default=Decimal(0),
        db_default=0,
        help_text=_("What a revocation could not take."),
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
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        db_index=False,
        related_name="+",
        verbose_name=_("done by"),
    )
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

    class Meta:
        verbose_name = _("credit transaction")
        verbose_name_plural = _("credit transactions")
        ordering = ["account", "-sequence"]
        constraints = [
            models.CheckConstraint(
                condition=Q(amount__gt=0, kind__in=["grant", "reverse", "adjust"])
                | Q(amount__lt=0, kind__in=["consume", "expire", "revoke", "adjust"])
                | Q(amount=0, kind__in=["revoke", "reverse", "convert"])
                | Q(kind="carry"),
                name="quickscale_credits_transaction_sign",
            ),
            models.CheckConstraint(
                condition=Q(shortfall=0) | Q(kind="revoke", shortfall__gt=0),
                name="quickscale_credits_transaction_shortfall",
            ),
            models.CheckConstraint(
                condition=Q(kind="reverse", reverses__isnull=False)
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

    def __str__(self) -> str:
        return f"{self.account_id}/{self.sequence} {self.kind} {self.amount}"

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

    account = models.ForeignKey(
        CreditAccount,
        models.PROTECT,
        db_index=False,
        db_constraint=False,
        related_name="+",
        verbose_name=_("account"),
    )
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
    amount = models.DecimalField(_("amount"), max_digits=DIGITS, decimal_places=PLACES)

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
        return f"{self.amount} of lot {self.lot_id}"


class CreditClaim(models.Model):
    """A change of what a revocation is still owed: made by itself, then collected or waived.

    A claim is all rows of a ``revocation`` and the ``lot`` it is about; what it is owed is their
    sum. ``transaction`` made the change: the revocation itself, a later one that took what had come
    back (to the lot or to one that was made of it), or the revocation's reversal.
    """

    account = models.ForeignKey(
        CreditAccount,
        models.PROTECT,
        db_index=False,
        db_constraint=False,
        related_name="+",
        verbose_name=_("account"),
    )
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
    amount = models.DecimalField(_("amount"), max_digits=DIGITS, decimal_places=PLACES)
    freezes = models.BooleanField(
        default=False, db_default=False, help_text=_("The account is frozen because of it.")
    )

    class Meta:
        verbose_name = _("claim of a revocation")
        verbose_name_plural = _("claims of revocations")
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
        return f"{self.amount} of lot {self.lot_id}"


class CreditHold(LedgerModel):
    """Credits set aside for work that has begun, until a capture, a release or its own end."""

    class Status(models.TextChoices):
        OPEN = "open", _("Open")
        CAPTURED = "captured", _("Captured")
        RELEASED = "released", _("Released")
        EXPIRED = "expired", _("Timed out")

    account = models.ForeignKey(
        CreditAccount,
        models.PROTECT,
        db_index=False,
        related_name="holds",
        verbose_name=_("account"),
    )
    amount = models.DecimalField(_("amount"), max_digits=DIGITS, decimal_places=PLACES)
    captured = models.DecimalField(
        _("captured"), max_digits=DIGITS, decimal_places=PLACES, default=Decimal(0), db_default=0
    )
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
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        db_index=False,
        related_name="+",
        verbose_name=_("done by"),
    )
    idempotency_key = models.CharField(max_length=255, blank=True, default="", db_default="")
    fingerprint = models.CharField(
        max_length=64, blank=True, default="", db_default="", editable=False
    )
    metadata = models.JSONField(_("metadata"), default=dict, blank=True)
    created_at = models.DateTimeField(_("created"))
    expires_at = models.DateTimeField(_("times out"))
    closed_at = models.DateTimeField(_("closed"), null=True, blank=True)

    objects: ClassVar[HoldManager[CreditHold]] = HoldManager()

    replayed = False  # whether hold_credits() answered with a hold that its key made before

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
                condition=~Q(idempotency_key=""),
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
        return f"{self.amount} {self.status}"

    def capture(self, amount: Amount | None = None) -> CreditTransaction | None:
        """Take the credits; see :func:`quickscale_credits.ledger.capture`."""
        from quickscale_credits import ledger

        return ledger.capture(hold=self, amount=amount)

    def release(self) -> CreditHold:
        """Give the hold up; see :func:`quickscale_credits.ledger.release`."""
        from quickscale_credits import ledger

        return ledger.release(hold=self)

    acapture = sync_to_async(capture)
    arelease = sync_to_async(release)


class CreditHoldAllocation(models.Model):
    """How much of a lot a hold sets aside."""

    account = models.ForeignKey(
        CreditAccount,
        models.PROTECT,
        db_index=False,
        db_constraint=False,
        related_name="+",
        verbose_name=_("account"),
    )
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
    amount = models.DecimalField(_("amount"), max_digits=DIGITS, decimal_places=PLACES)

    class Meta:
        verbose_name = _("allocation of a hold")
        verbose_name_plural = _("allocations of holds")
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
        return f"{self.amount} of lot {self.lot_id}"


class Service(models.Model):
    """Something that credits pay for."""

    name = models.CharField(_("name"), max_length=100)
    slug = models.SlugField(
        _("code"), max_length=100, unique=True, help_text=_("The name that code uses.")
    )
    description = models.TextField(_("description"), blank=True)
    cost = models.DecimalField(
        _("cost"),
        max_digits=DIGITS,
        decimal_places=PLACES,
        validators=[MinValueValidator(Decimal(0))],
        help_text=_("Credits for each unit; 0 is free."),
    )
    unit = models.CharField(
        _("unit"), max_length=50, blank=True, help_text=_("What one unit is, such as “page”.")
    )
    cost_hook = models.CharField(
        _("cost hook"),
        max_length=255,
        blank=True,
        help_text=_("Dotted path of a function that works out the cost."),
    )
    is_active = models.BooleanField(_("active"), default=True)
    display_order = models.PositiveIntegerField(_("order"), default=0)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("changed"), auto_now=True)

    objects: ClassVar[ServiceManager[Service]] = ServiceManager()

    class Meta:
        verbose_name = _("service")
        verbose_name_plural = _("services")
        ordering = ["display_order", "name", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(cost__gte=0), name="quickscale_credits_service_cost"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def cost_of(self, units: Amount = 1, *, owner: Any = None) -> Decimal:
        """What a number of units costs, rounded up to the fourth place.

        The hook named by ``cost_hook`` is called as ``hook(service=..., units=..., owner=...)``.

        Raises:
            InvalidAmountError: the units, or what the hook returned, aren't a number from zero up.
            ImportError: the hook can't be loaded.
        """
        count = parse_amount(units, name="units", zero=True)
        if self.cost_hook:
            cost = import_string(self.cost_hook)(service=self, units=count, owner=owner)
        else:
            cost = self.cost * count
        return round_up(cost, name="cost")


class ServiceUsage(models.Model):
    """One use of a service; a free one has no transaction."""

    service = models.ForeignKey(
        Service,
        models.PROTECT,
        db_index=False,
        related_name="usages",
        verbose_name=_("service"),
    )
    account = models.ForeignKey(
        CreditAccount,
        models.PROTECT,
        db_index=False,
        related_name="usages",
        verbose_name=_("account"),
    )
    transaction = models.OneToOneField(
        CreditTransaction,
        models.PROTECT,
        null=True,
        blank=True,
        db_constraint=False,
        related_name="usage",
        verbose_name=_("transaction"),
    )
    units = models.DecimalField(
        _("units"), max_digits=DIGITS, decimal_places=PLACES, default=Decimal(1)
    )
    cost = models.DecimalField(_("cost"), max_digits=DIGITS, decimal_places=PLACES)
    idempotency_key = models.CharField(max_length=255, blank=True, default="", db_default="")
    fingerprint = models.CharField(
        max_length=64, blank=True, default="", db_default="", editable=False
    )
    metadata = models.JSONField(_("metadata"), default=dict, blank=True)
    created_at = models.DateTimeField(_("time"), auto_now_add=True)

    class Meta:
        verbose_name = _("use of a service")
        verbose_name_plural = _("uses of services")
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(cost__gte=0, units__gte=0), name="quickscale_credits_usage_figures"
            ),
            models.UniqueConstraint(
                fields=["account", "idempotency_key"],
                condition=~Q(idempotency_key=""),
                name="quickscale_credits_usage_idempotency",
            ),
        ]
        indexes = [
            models.Index(fields=["service", "created_at"], name="qs_credits_use_service"),
            models.Index(fields=["account", "created_at"], name="qs_credits_use_account"),
        ]

    def __str__(self) -> str:
        return f"{self.service_id}: {self.units}"


class CreditEvent(models.Model):
    """The outbox: written with what it tells of, delivered after the commit."""

    class Kind(models.TextChoices):
        GRANTED = "granted", _("Credits added")
        CONSUMED = "consumed", _("Credits used")
        EXPIRED = "expired", _("Credits expired")
        REVOKED = "revoked", _("Credits revoked")
        REVERSED = "reversed", _("Credits given back")
        ADJUSTED = "adjusted", _("Credits adjusted")
        CONVERTED = "converted", _("Credits converted")
        LOW_BALANCE = "low_balance", _("Low balance")
        DEPLETED = "depleted", _("No credits left")
        EXPIRING = "expiring", _("Credits end soon")

    kind = models.CharField(_("kind"), max_length=12, choices=Kind)
    account = models.ForeignKey(
        CreditAccount,
        models.PROTECT,
        db_index=False,
        db_constraint=False,
        related_name="events",
        verbose_name=_("account"),
    )
    payload = models.JSONField(_("payload"), default=dict)
    created_at = models.DateTimeField(_("created"))
    delivered_at = models.DateTimeField(_("delivered"), null=True, blank=True)
    attempts = models.PositiveIntegerField(_("attempts"), default=0, db_default=0)
    last_error = models.TextField(_("last error"), blank=True, default="", db_default="")
    pending = models.JSONField(
        null=True,
        blank=True,
        help_text=_("Receivers that have not had it yet; nothing before the first delivery."),
    )
    next_attempt_at = models.DateTimeField(_("next attempt"))

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        ordering = ["id"]
        indexes = [
            models.Index(
                fields=["account", "id"],
                condition=Q(delivered_at__isnull=True),
                name="qs_credits_event_open",
            ),
            models.Index(
                fields=["next_attempt_at", "id"],
                condition=Q(delivered_at__isnull=True),
                name="qs_credits_event_next",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.account_id}"
