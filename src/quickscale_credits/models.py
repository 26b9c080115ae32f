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
from typing import TYPE_CHECKING, Any, ClassVar

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import ExpressionWrapper, F, Q
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from quickscale.formats import format_credits, in_credits
from quickscale.owner import owner_model_name
from quickscale_credits.internal.amounts import DIGITS, PLACES, PRICE_PLACES, Amount, parse_amount
from quickscale_credits.internal.deletion import outlive_owner
from quickscale_credits.internal.fields import PriceField
from quickscale_credits.managers import (
    AccountManager,
    HoldManager,
    LotManager,
    PriceManager,
    ServiceManager,
)

METER = "units"
"""The meter of services that count only one thing."""

# True for mypy, whose plugin knows reverse managers; other type checkers read them below.
MYPY = False


class LedgerModel(models.Model):
    """A row that the ledger's functions keep: a stale instance never writes its figures back."""

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Store a new row.

        Raises:
            TypeError: the row is stored already.
        """
        if not self._state.adding:
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
        on_delete=outlive_owner,
        null=True,
        blank=True,
        related_name="credit_account",
        verbose_name=_("owner"),
    )
    former_owner = models.CharField(
        _("former owner"),
        max_length=255,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text=_("Who it was, once the owner is deleted."),
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
        _("low balance at"),
        max_digits=DIGITS,
        decimal_places=PLACES,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal(0))],
    )
    low_balance_armed = models.BooleanField(default=True, db_default=True, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("changed"), auto_now=True)

    objects: ClassVar[AccountManager] = AccountManager()

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

    if TYPE_CHECKING and not MYPY:

        @property
        def lots(self) -> LotManager[CreditLot]: ...
        @property
        def holds(self) -> HoldManager[CreditHold]: ...
        @property
        def transactions(self) -> models.Manager[CreditTransaction]: ...
        @property
        def changes(self) -> models.Manager[AccountChange]: ...
        @property
        def usages(self) -> models.Manager[ServiceUsage]: ...
        @property
        def events(self) -> models.Manager[CreditEvent]: ...

    def __str__(self) -> str:
        if self.owner is None:
            return str(_("%s (deleted)")) % (self.former_owner or f"#{self.pk}")
        return str(self.owner)

    def has_history(self) -> bool:
        """Whether anything was ever booked, used or changed."""
        rows = (self.transactions, self.lots, self.holds, self.usages, self.changes)
        return any(row.exists() for row in rows)

    ahas_history = sync_to_async(has_history)

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

    def settle_credits(
        self,
        amount: Amount,
        description: str,
        *,
        hold: CreditHold | None = None,
        service: Service | None = None,
        idempotency_key: str | None = None,
        actor: Any = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> CreditTransaction | None:
        """Charge for finished work; see :func:`quickscale_credits.ledger.settle`."""
        from quickscale_credits import ledger

        return ledger.settle(
            account=self,
            amount=amount,
            description=description,
            hold=hold,
            service=service,
            idempotency_key=idempotency_key,
            actor=actor,
            metadata=metadata,
        )

    def get_balance(self) -> Decimal:
        """Credits that have begun and have not ended, held ones included."""
        return self.lots.balance()

    def get_available_balance(self) -> Decimal:
        """The balance less what is held: what a spend can use now without an overdraft.

        It is the same while the account is frozen, and once it is closed; :meth:`can_spend` looks
        at that too.
        """
        return self.lots.available()

    def can_spend(self, amount: Amount) -> bool:
        """Whether a spend of that many credits would succeed now: status, balance and overdraft.

        Another spend may come first, so only the spend itself is certain.

        Raises:
            InvalidAmountError: it is not a number of credits above zero.
        """
        value = parse_amount(amount)
        stored = type(self)._base_manager.db_manager(hints={"instance": self})
        status, limit = stored.values_list("status", "overdraft_limit").get(pk=self.pk)
        return status == self.Status.ACTIVE and value <= self.get_available_balance() + limit

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
    asettle_credits = sync_to_async(settle_credits)
    aget_balance = sync_to_async(get_balance)
    aget_available_balance = sync_to_async(get_available_balance)
    acan_spend = sync_to_async(can_spend)
    aget_balance_by_type = sync_to_async(get_balance_by_type)
    aget_expiring_credits = sync_to_async(get_expiring_credits)


class AccountChange(models.Model):
    """What an account was allowed to do, and what since: by whom and why. It is never changed.

    ``old`` and ``new`` are a status, or a number of credits as text; an empty low balance
    is never announced. A freeze that a revocation led to has its actor and its reason.
    """

    class Kind(models.TextChoices):
        STATUS = "status", _("Status")
        OVERDRAFT_LIMIT = "overdraft_limit", _("Overdraft limit")
        LOW_BALANCE = "low_balance", _("Low balance at")

    account = models.ForeignKey(
        CreditAccount,
        models.PROTECT,
        db_index=False,
        related_name="changes",
        verbose_name=_("account"),
    )
    kind = models.CharField(_("kind"), max_length=15, choices=Kind)
    old = models.CharField(_("before"), max_length=25, blank=True)
    new = models.CharField(_("after"), max_length=25, blank=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        db_index=False,
        related_name="+",
        verbose_name=_("done by"),
    )
    reason = models.TextField(_("reason"), blank=True)
    created_at = models.DateTimeField(_("time"))

    class Meta:
        verbose_name = _("change of an account")
        verbose_name_plural = _("changes of accounts")
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["account", "kind", "id"], name="qs_credits_change_account"),
            models.Index(
                fields=["actor"],
                condition=Q(actor__isnull=False),
                name="qs_credits_change_actor",
            ),
        ]

    def __str__(self) -> str:
        old, new = self.readable(self.old), self.readable(self.new)
        return f"{self.get_kind_display()}: {old} → {new}"

    def readable(self, value: str) -> str:
        """``old`` or ``new`` in words, or as a number of credits."""
        if self.kind == self.Kind.STATUS:
            return str(CreditAccount.Status(value).label)
        return format_credits(Decimal(value)) if value else str(_("None"))


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
    lost = models.DecimalField(
        max_digits=DIGITS,
        decimal_places=PLACES,
        default=Decimal(0),
        db_default=0,
        editable=False,
        help_text=_("What expired, was revoked or was transferred."),
    )
    owed = models.DecimalField(
        _("still to be revoked"),
        max_digits=DIGITS,
        decimal_places=PLACES,
        default=Decimal(0),
        db_default=0,
        help_text=_("What revocations take as soon as it comes back, here or where it was moved."),
    )
    # It changes only with the first and the last debt, so an index on it costs a spend nothing.
    owes = models.GeneratedField(
        expression=ExpressionWrapper(
            Q(owed__gt=0) | Q(remaining__lt=0), output_field=models.BooleanField()
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
    transferred_from = models.ForeignKey(
        "self",
        models.PROTECT,
        db_index=False,
        null=True,
        blank=True,
        related_name="transfers",
        verbose_name=_("transferred from"),
        help_text=_("The lot of another account that these credits were in before."),
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
        help_text=_("What a revocation, or the charge for finished work, could not take."),
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
        models.SET_NULL,
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

    # Whether an earlier call wrote this row, so that the one that returned it wrote nothing.
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

    #: Set by ``quickscale_credits.internal.balances.tell_what_is_coming``.
    usable_after: Decimal
    coming: Decimal

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
        return format_credits(self.amount or 0, signed=True)


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
        return format_credits(self.amount or 0, signed=True)


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
        models.SET_NULL,
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

    # Whether an earlier call wrote this row, so that the one that returned it wrote nothing.
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
        return in_credits(self.amount or 0)


class Service(models.Model):
    """Something that credits pay for."""

    name = models.CharField(_("name"), max_length=100)
    slug = models.SlugField(
        _("code"), max_length=100, unique=True, help_text=_("The name that code uses.")
    )
    description = models.TextField(_("description"), blank=True)
    unit = models.CharField(
        _("unit"), max_length=50, blank=True, help_text=_("What one unit is, such as “page”.")
    )
    cost_hook = models.CharField(
        _("cost hook"),
        max_length=255,
        blank=True,
        help_text=_("Dotted path of a function that works out the cost instead of the prices."),
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

    def __str__(self) -> str:
        return self.name

    @cached_property
    def prices_in_force(self) -> list[ServicePrice]:
        """The prices of today, by meter and dimension."""
        return list(self.prices.in_force())

    def cost_of(self, units: Amount = 1, *, owner: Any = None) -> Decimal:
        """What a number of units costs; see :func:`quickscale_credits.pricing.price_use`."""
        from quickscale_credits import pricing

        return pricing.price_use(self, {METER: units}, owner=owner).cost


class ServicePrice(models.Model):
    """What a meter of a service costs from a moment on, until a newer row of the same follows.

    A row is never changed, so that a use of yesterday keeps yesterday's price. Among rows that
    begin together the one that was made last counts.
    """

    service = models.ForeignKey(
        Service,
        models.CASCADE,
        db_index=False,
        related_name="prices",
        verbose_name=_("service"),
    )
    meter = models.CharField(
        _("meter"),
        max_length=50,
        default=METER,
        help_text=_("What is counted, such as “input”: the name that code uses."),
    )
    dimension = models.CharField(
        _("dimension"),
        max_length=100,
        blank=True,
        default="",
        help_text=_("What the price is for, such as a model; empty for any other."),
    )
    unit_price = PriceField(
        _("price"),
        validators=[MinValueValidator(Decimal(0))],
        help_text=_("In credits; 0 is free."),
    )
    per = models.PositiveBigIntegerField(
        _("per"),
        default=1,
        validators=[MinValueValidator(1)],
        help_text=_("How many units the price is for, such as 1000."),
    )
    effective_at = models.DateTimeField(
        _("in force from"), blank=True, help_text=_("Empty for now.")
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    objects: ClassVar[PriceManager[ServicePrice]] = PriceManager()

    class Meta:
        verbose_name = _("price of a service")
        verbose_name_plural = _("prices of services")
        ordering = ["service_id", "meter", "dimension", "-effective_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(unit_price__gte=0, per__gte=1), name="quickscale_credits_price_figures"
            ),
        ]
        indexes = [
            models.Index(
                F("service"),
                F("meter"),
                F("dimension"),
                F("effective_at").desc(),
                F("id").desc(),
                name="qs_credits_price_in_force",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.unit_price:f} / {self.per} {self.meter} {self.dimension}".rstrip()

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Add the row, in force from now where nothing else is said.

        Raises:
            InvalidAmountError: the price doesn't fit.
            TypeError: the row is stored already.
        """
        from quickscale_credits.internal.databases import database_of, ledger_now

        if not self._state.adding:
            raise TypeError("A price is never changed: add one that follows it.")
        if self.effective_at is None:
            self.effective_at = ledger_now(kwargs.get("using") or database_of(self))
        super().save(*args, **kwargs)

    def clean(self) -> None:
        """Refuse a price that would change what a use in the past costs."""
        from quickscale_credits.internal.databases import database_of, ledger_now

        if getattr(self, "effective_at", None) is None or self.service_id is None:
            return
        using = database_of(self)
        same = ServicePrice.objects.using(using).filter(
            service=self.service_id, meter=self.meter, dimension=self.dimension
        )
        if self.effective_at < ledger_now(using) and same.exists():
            raise ValidationError(
                {"effective_at": _("There is a price for that time already: it can't be changed.")}
            )


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
        _("units"),
        max_digits=DIGITS + PRICE_PLACES - PLACES,
        decimal_places=PRICE_PLACES,
        null=True,
        blank=True,
        default=Decimal(1),
        help_text=_("Nothing where several meters were used."),
    )
    quantities = models.JSONField(
        _("quantities"),
        default=dict,
        blank=True,
        help_text=_("How much of each meter, exactly, as text."),
    )
    dimension = models.CharField(
        _("dimension"), max_length=100, blank=True, default="", db_default=""
    )
    price_lines = models.JSONField(
        _("prices"), default=list, blank=True, help_text=_("The prices that were applied.")
    )
    cost = models.DecimalField(_("cost"), max_digits=DIGITS, decimal_places=PLACES)
    shortfall = models.DecimalField(
        _("shortfall"),
        max_digits=DIGITS,
        decimal_places=PLACES,
        default=Decimal(0),
        db_default=Decimal(0),
        help_text=_("The part of the cost that the account couldn't pay."),
    )
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
                condition=Q(cost__gte=0, units__gte=0, shortfall__gte=0, shortfall__lte=F("cost")),
                name="quickscale_credits_usage_figures",
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
    """The outbox: written with the change that it reports, delivered after the commit."""

    class Kind(models.TextChoices):
        GRANTED = "granted", _("Credits added")
        CONSUMED = "consumed", _("Credits used")
        EXPIRED = "expired", _("Credits expired")
        REVOKED = "revoked", _("Credits revoked")
        REVERSED = "reversed", _("Credits given back")
        ADJUSTED = "adjusted", _("Credits adjusted")
        CONVERTED = "converted", _("Credits converted")
        TRANSFERRED = "transferred", _("Credits transferred")
        LOW_BALANCE = "low_balance", _("Low balance")
        DEPLETED = "depleted", _("No credits left")
        EXPIRING = "expiring", _("Credits end soon")
        SHORTFALL = "shortfall", _("Credits were missing")

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
        return str(self.get_kind_display())
