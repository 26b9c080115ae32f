"""Services, their prices and their uses."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from quickscale_credits.internal.amounts import DIGITS, PLACES, PRICE_PLACES, Amount
from quickscale_credits.internal.fields import PriceField
from quickscale_credits.managers import PriceManager, ServiceManager
from quickscale_credits.models.base import account_key, credits_field
from quickscale_credits.models.journal import CreditTransaction

METER = "units"
"""The meter of a service that has only one."""


class Service(models.Model):
    """Something that credits pay for."""

    name = models.CharField(_("name"), max_length=100)
    slug = models.SlugField(
        _("code"), max_length=100, unique=True, help_text=_("The name used in code.")
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
        """The prices in force now, by meter and dimension."""
        return list(self.prices.in_force())

    def cost_of(self, units: Amount = 1, *, owner: Any = None) -> Decimal:
        """Return what a number of units costs; see :func:`quickscale_credits.pricing.price_use`."""
        from quickscale_credits import pricing

        return pricing.price_use(self, {METER: units}, owner=owner).cost


class ServicePrice(models.Model):
    """What a meter of a service costs from a moment on, until a newer row replaces it.

    A row is never changed, so yesterday's uses keep yesterday's price. If several rows start at the
    same time, the last one created applies.
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
        help_text=_("What is counted, such as “input”; the name used in code."),
    )
    dimension = models.CharField(
        _("dimension"),
        max_length=100,
        blank=True,
        default="",
        help_text=_("What the price is for, such as a model; empty for all others."),
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
        _("in force from"), blank=True, help_text=_("Leave empty to start now.")
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    objects: ClassVar[PriceManager[ServicePrice]] = PriceManager()

    class Meta:
        verbose_name = _("service price")
        verbose_name_plural = _("service prices")
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
        """Add the row, by default in force from now.

        Raises:
            InvalidAmountError: the price is invalid.
            TypeError: the row is already stored.
        """
        from quickscale_credits.internal.databases import database_of, ledger_now

        if not self._state.adding:
            raise TypeError("A price is never changed: add a new one that replaces it.")
        if self.effective_at is None:
            self.effective_at = ledger_now(kwargs.get("using") or database_of(self))
        super().save(*args, **kwargs)

    def clean(self) -> None:
        """Refuse a price that would change the cost of past uses."""
        from quickscale_credits.internal.databases import database_of, ledger_now

        if getattr(self, "effective_at", None) is None or self.service_id is None:
            return
        using = database_of(self)
        same = ServicePrice.objects.using(using).filter(
            service=self.service_id, meter=self.meter, dimension=self.dimension
        )
        if self.effective_at < ledger_now(using) and same.exists():
            raise ValidationError(
                {"effective_at": _("There is already a price for that time: it can't be changed.")}
            )


class ServiceUsage(models.Model):
    """One use of a service; a free use has no transaction."""

    service = models.ForeignKey(
        Service,
        models.PROTECT,
        db_index=False,
        related_name="usages",
        verbose_name=_("service"),
    )
    account = account_key("usages")
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
        help_text=_("Empty if several meters were used."),
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
    cost = credits_field(_("cost"))
    shortfall = credits_field(
        _("shortfall"),
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
        verbose_name = _("service use")
        verbose_name_plural = _("service uses")
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
