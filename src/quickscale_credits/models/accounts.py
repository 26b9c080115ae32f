"""Accounts and their changes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

from asgiref.sync import sync_to_async
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from quickscale.formats import format_credits
from quickscale.owner import owner_model_name
from quickscale_credits.internal.amounts import DIGITS, PLACES, Amount, parse_amount
from quickscale_credits.internal.deletion import outlive_owner
from quickscale_credits.managers import AccountManager, HoldManager, LotManager
from quickscale_credits.models.base import (
    MYPY,
    LedgerModel,
    account_key,
    actor_key,
    credits_sum_field,
)

if TYPE_CHECKING:
    from quickscale_credits.models.events import CreditEvent
    from quickscale_credits.models.holds import CreditHold
    from quickscale_credits.models.journal import CreditLot, CreditTransaction
    from quickscale_credits.models.services import Service, ServiceUsage


class CreditAccount(LedgerModel):
    """The credits of one owner. Every write locks this row, and only this row."""

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
        help_text=_("The name of a deleted owner."),
    )
    status = models.CharField(
        _("status"), max_length=10, choices=Status, default=Status.ACTIVE, db_default=Status.ACTIVE
    )
    posted = credits_sum_field(_("posted balance"))
    held = credits_sum_field(_("held"))
    overdraft_limit = credits_sum_field(_("overdraft limit"))
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
        """Return whether anything was ever posted, used or changed."""
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
        """Add credits; see :func:`quickscale_credits.ledger.add_credits`."""
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
        """Remove credits by hand; see :func:`quickscale_credits.ledger.remove_credits`."""
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
        """Return the credits that have started and not ended, including held ones."""
        return self.lots.balance()

    def get_available_balance(self) -> Decimal:
        """Return the balance less what is held: what a spend can use now without an overdraft.

        This ignores whether the account is frozen or closed; :meth:`can_spend` considers that too.
        """
        return self.lots.available()

    def can_spend(self, amount: Amount) -> bool:
        """Return whether the status, balance and overdraft allow a spend of ``amount`` now.

        Another spend may come first, so only the spend itself is certain.

        Raises:
            InvalidAmountError: ``amount`` is not a number of credits above zero.
        """
        value = parse_amount(amount)
        stored = type(self)._base_manager.db_manager(hints={"instance": self})
        status, limit = stored.values_list("status", "overdraft_limit").get(pk=self.pk)
        return status == self.Status.ACTIVE and value <= self.get_available_balance() + limit

    def get_balance_by_type(self) -> dict[str, Decimal]:
        """Return the balance of every type of credit."""
        return self.lots.balance_by_type()

    def get_expiring_credits(self, within: timedelta = timedelta(days=7)) -> Decimal:
        """Return the part of the available balance that ends within that time."""
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
    """A change of an account's status or limits, with who made it and why; never changed itself.

    ``old`` and ``new`` are a status or a number of credits as text; an empty low balance means that
    none is announced. A freeze caused by a revocation has the revocation's actor and reason.
    """

    class Kind(models.TextChoices):
        STATUS = "status", _("Status")
        OVERDRAFT_LIMIT = "overdraft_limit", _("Overdraft limit")
        LOW_BALANCE = "low_balance", _("Low balance at")

    account = account_key("changes")
    kind = models.CharField(_("kind"), max_length=15, choices=Kind)
    old = models.CharField(_("before"), max_length=25, blank=True)
    new = models.CharField(_("after"), max_length=25, blank=True)
    actor = actor_key()
    reason = models.TextField(_("reason"), blank=True)
    created_at = models.DateTimeField(_("time"))

    class Meta:
        verbose_name = _("account change")
        verbose_name_plural = _("account changes")
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
        """Return ``old`` or ``new`` in words or as a number of credits."""
        if self.kind == self.Kind.STATUS:
            return str(CreditAccount.Status(value).label)
        return format_credits(Decimal(value)) if value else str(_("None"))
