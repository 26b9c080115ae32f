"""This site's copies of Stripe's objects: enough to show, to search and to decide.

Stripe is the source of truth: every row except an event's is rewritten from a fresh fetch. Amounts
are integers of the currency's minor unit as Stripe counts them (docs.stripe.com/currencies).
"""

from __future__ import annotations

import uuid
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from quickscale.formats import format_money
from quickscale.owner import owner_model_name
from quickscale_stripe.managers import (
    PaymentQuerySet,
    StripeCustomerQuerySet,
    StripeEventQuerySet,
    StripePriceQuerySet,
    SubscriptionQuerySet,
)


def stripe_id_field() -> models.CharField[str, str]:
    return models.CharField(_("Stripe ID"), max_length=255, unique=True)


def optional_id_field(name: Any) -> models.CharField[str | None, str | None]:
    return models.CharField(name, max_length=255, unique=True, null=True, blank=True, default=None)


def credits_field(name: Any, **options: Any) -> models.DecimalField[Decimal, Decimal]:
    return models.DecimalField(name, max_digits=19, decimal_places=4, **options)


class OwnedModel(models.Model):
    """A row that belongs to an owner and outlives them."""

    class Meta:
        abstract = True

    @property
    def owner_name(self) -> str:
        """The owner's name, for people."""
        owner = self.owner  # type: ignore[attr-defined]
        return str(_("Deleted owner")) if owner is None else str(owner)


class StripeCustomer(OwnedModel):
    """The owner's customer at Stripe.

    ``email`` and ``name`` are Stripe's, where the customer can change them. What was last sent
    shows whether the owner's own have changed since. ``reference`` goes into the metadata of
    everything that is made for the owner. It identifies this site's objects even when another site
    shares the Stripe account, or when the customer is deleted. ``former_ids`` are the ids of
    customers that were deleted or belong to the other mode; some of their objects name only the id.
    ``payment_method`` is what the next invoice is charged to, and ``default_payment_method_id`` is
    the customer's own default (``quickscale_stripe.billing.payment_methods``).
    """

    owner = models.OneToOneField(
        owner_model_name(),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="stripe_customer",
        verbose_name=_("owner"),
    )
    reference = models.UUIDField(_("reference"), default=uuid.uuid4, unique=True, editable=False)
    stripe_id = optional_id_field(_("Stripe ID"))
    former_ids = models.JSONField(default=list, editable=False)
    livemode = models.BooleanField(_("live mode"), default=False)
    email = models.CharField(_("email address"), max_length=512, blank=True)
    name = models.CharField(_("name"), max_length=256, blank=True)
    payment_method_id = models.CharField(
        _("payment method"), max_length=255, blank=True, db_index=True, editable=False
    )
    payment_method = models.JSONField(default=dict, editable=False)
    default_payment_method_id = models.CharField(
        _("default payment method"), max_length=255, blank=True, editable=False
    )
    sent_email = models.CharField(max_length=512, blank=True, editable=False)
    sent_name = models.CharField(max_length=256, blank=True, editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    synced_at = models.DateTimeField(_("last synced"), null=True, editable=False)
    deleted_at = models.DateTimeField(_("deleted at Stripe"), null=True, editable=False)

    objects: ClassVar[StripeCustomerQuerySet] = StripeCustomerQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        verbose_name = _("customer")
        verbose_name_plural = _("customers")

    def __str__(self) -> str:
        return self.email or self.stripe_id or str(self.reference)

    @property
    def is_usable(self) -> bool:
        return self.stripe_id is not None and self.deleted_at is None

    def was_sent(self, email: str, name: str) -> bool:
        """Return whether this is what was last sent to Stripe."""
        return (self.sent_email, self.sent_name) == (email, name)

    def attach(self, stripe_id: str, *, livemode: bool) -> None:
        """Make this Stripe customer the owner's; the caller saves."""
        if self.stripe_id:
            self.former_ids.append(self.stripe_id)
        self.stripe_id, self.livemode, self.deleted_at = stripe_id, livemode, None
        self.forget_payment_method()

    def forget_payment_method(self) -> None:
        """Forget what the next invoice is charged to; the caller saves."""
        self.payment_method_id, self.payment_method = "", {}
        self.default_payment_method_id = ""


class StripeProduct(models.Model):
    """A product of the catalogue.

    ``metadata_errors`` maps each metadata key that can't be read to its text.
    """

    stripe_id = stripe_id_field()
    name = models.CharField(_("name"), max_length=512)
    description = models.TextField(_("description"), blank=True)
    images = models.JSONField(_("images"), default=list, blank=True)
    features = models.JSONField(_("features"), default=list, blank=True)
    active = models.BooleanField(_("active"), default=True)
    livemode = models.BooleanField(_("live mode"), default=False)
    display_order = models.IntegerField(_("display order"), default=0)
    metadata = models.JSONField(_("metadata"), default=dict, blank=True)
    metadata_errors = models.JSONField(default=dict, blank=True, editable=False)
    synced_at = models.DateTimeField(_("last synced"), editable=False)

    class Meta:
        verbose_name = _("product")
        verbose_name_plural = _("products")
        ordering = ["display_order", "name"]

    def __str__(self) -> str:
        return self.name

    @property
    def is_most_chosen(self) -> bool:
        """Whether the metadata ``most_chosen`` recommends it to buyers."""
        return bool(self.metadata.get("most_chosen") == "true")

    @property
    def image(self) -> str:
        """The address of the first image, or nothing."""
        return self.images[0] if self.images else ""


class StripePrice(models.Model):
    """A price of a product, paid once or for each interval.

    ``lookup_key`` is a name that the site gives; another price may take it over at Stripe.
    ``unit_amount`` is ``None`` for tiers and for amounts that the buyer chooses; these are not
    offered. ``credits``, ``credits_interval`` and ``display_order`` come from the metadata that
    could last be read, and ``metadata_errors`` maps the keys that can't be read now to their texts.
    ``for_sale`` says whether the metadata marks the price as this site's
    (:mod:`quickscale_stripe.catalogue.metadata`).
    """

    class Interval(models.TextChoices):
        DAY = "day", _("day")
        WEEK = "week", _("week")
        MONTH = "month", _("month")
        YEAR = "year", _("year")

    class CreditsInterval(models.TextChoices):
        PERIOD = "period", _("with each payment")
        MONTH = "month", _("in monthly parts")

    stripe_id = stripe_id_field()
    product = models.ForeignKey(
        StripeProduct,
        on_delete=models.PROTECT,
        related_name="prices",
        verbose_name=_("product"),
    )
    nickname = models.CharField(_("nickname"), max_length=512, blank=True)
    lookup_key = models.CharField(_("lookup key"), max_length=200, blank=True, db_index=True)
    currency = models.CharField(_("currency"), max_length=3)
    unit_amount = models.BigIntegerField(_("unit amount"), null=True, blank=True)
    interval = models.CharField(_("interval"), max_length=8, choices=Interval, blank=True)
    interval_count = models.PositiveSmallIntegerField(_("interval count"), default=1)
    credits = credits_field(_("credits"), default=Decimal(0))
    credits_interval = models.CharField(
        _("credits come"),
        max_length=8,
        choices=CreditsInterval,
        default=CreditsInterval.PERIOD,
    )
    for_sale = models.BooleanField(_("for sale"), default=False)
    active = models.BooleanField(_("active"), default=True)
    livemode = models.BooleanField(_("live mode"), default=False)
    display_order = models.IntegerField(_("display order"), default=0)
    metadata = models.JSONField(_("metadata"), default=dict, blank=True)
    metadata_errors = models.JSONField(default=dict, blank=True, editable=False)
    synced_at = models.DateTimeField(_("last synced"), editable=False)

    objects: ClassVar[StripePriceQuerySet] = StripePriceQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        verbose_name = _("price")
        verbose_name_plural = _("prices")
        constraints = [
            models.CheckConstraint(
                condition=Q(credits__gte=0), name="quickscale_stripe_price_credits"
            )
        ]

    def __str__(self) -> str:
        from quickscale_stripe.internal.wording import price_terms

        return f"{self.product}: {self.nickname or price_terms(self)}"

    @property
    def is_subscription(self) -> bool:
        return bool(self.interval)

    @property
    def is_one_time(self) -> bool:
        return not self.interval

    @property
    def days(self) -> int:
        """The approximate length of the interval, to compare prices; 0 for a one-time price."""
        return {"day": 1, "week": 7, "month": 30, "year": 365, "": 0}[self.interval] * (
            self.interval_count
        )

    @property
    def months(self) -> int:
        """The length of the interval in months; 0 for days, weeks and one-time prices."""
        return {"month": 1, "year": 12}.get(self.interval, 0) * self.interval_count

    @property
    def credits_come_monthly(self) -> bool:
        """Whether the credits of a period are paid out in monthly parts."""
        return self.credits_interval == self.CreditsInterval.MONTH

    @property
    def price_per_credit(self) -> Decimal | None:
        """Minor units per credit, exact; ``None`` without an amount or without credits."""
        if self.unit_amount is None or not self.credits:
            return None
        return Decimal(self.unit_amount) / self.credits


class Subscription(OwnedModel):
    """A subscription as Stripe has it; ``price`` and the period come from its plan's item.

    ``cancel_at`` is when it ends, however it was cancelled: Stripe stores either a time or "at the
    end of the period". ``mrr`` is the revenue that it brings each month, in minor units
    (``quickscale_stripe.billing.movements``).
    """

    class Status(models.TextChoices):
        INCOMPLETE = "incomplete", _("Waiting for the first payment")
        INCOMPLETE_EXPIRED = "incomplete_expired", _("Never started")
        TRIALING = "trialing", pgettext_lazy("subscription", "Trial")
        ACTIVE = "active", _("Active")
        PAST_DUE = "past_due", _("Payment overdue")
        UNPAID = "unpaid", _("Unpaid")
        PAUSED = "paused", _("Paused")
        CANCELED = "canceled", _("Ended")

    ENDED = (Status.CANCELED, Status.INCOMPLETE_EXPIRED)

    class EndReason(models.TextChoices):
        CANCELLATION_REQUESTED = "cancellation_requested", _("Cancelled")
        PAYMENT_FAILED = "payment_failed", _("Not paid")
        PAYMENT_DISPUTED = "payment_disputed", _("Payment disputed")

    owner = models.ForeignKey(
        owner_model_name(),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="stripe_subscriptions",
        verbose_name=_("owner"),
    )
    stripe_id = stripe_id_field()
    price = models.ForeignKey(
        StripePrice,
        on_delete=models.PROTECT,
        null=True,
        related_name="subscriptions",
        verbose_name=_("price"),
    )
    quantity = models.PositiveIntegerField(_("quantity"), default=1)
    status = models.CharField(_("status"), max_length=32, choices=Status)
    current_period_start = models.DateTimeField(_("period begins"), null=True)
    current_period_end = models.DateTimeField(_("period ends"), null=True)
    trial_end = models.DateTimeField(_("trial ends"), null=True, blank=True)
    cancel_at = models.DateTimeField(_("ends at"), null=True, blank=True)
    canceled_at = models.DateTimeField(_("cancelled"), null=True, blank=True)
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)
    end_reason = models.CharField(_("why it ends"), max_length=64, choices=EndReason, blank=True)
    pending_price = models.ForeignKey(
        StripePrice,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("next price"),
    )
    pending_at = models.DateTimeField(_("next price from"), null=True, blank=True)
    schedule_id = models.CharField(_("schedule"), max_length=255, blank=True)
    mrr = models.DecimalField(
        _("monthly revenue"), max_digits=19, decimal_places=4, default=Decimal(0)
    )
    livemode = models.BooleanField(_("live mode"), default=False)
    created_at = models.DateTimeField(_("created"))
    synced_at = models.DateTimeField(_("last synced"), editable=False)

    objects: ClassVar[SubscriptionQuerySet] = SubscriptionQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        verbose_name = _("subscription")
        verbose_name_plural = _("subscriptions")
        indexes = [
            models.Index(fields=["owner", "status"], name="quickscale_stripe_sub_owner"),
        ]

    def __str__(self) -> str:
        if self.price is None:
            return str(_("Subscription of %s")) % self.owner_name
        names = {"plan": self.price.product, "owner": self.owner_name}
        return str(_("%(plan)s of %(owner)s")) % names

    @property
    def is_live(self) -> bool:
        return self.status not in self.ENDED

    @property
    def ended_early(self) -> bool:
        """Whether it ended within a period, as when staff ended it at once."""
        end, period_end = self.ended_at, self.current_period_end
        return end is not None and period_end is not None and end < period_end


class MrrMovement(models.Model):
    """A change of a subscription's monthly revenue, in minor units; rows never change.

    ``kind`` is decided by customer, over all subscriptions in the currency.
    """

    class Kind(models.TextChoices):
        NEW = "new", _("New")
        EXPANSION = "expansion", _("Expansion")
        CONTRACTION = "contraction", _("Contraction")
        CHURN = "churn", _("Churn")
        REACTIVATION = "reactivation", _("Reactivation")

    owner = models.ForeignKey(
        owner_model_name(),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="stripe_mrr_movements",
        verbose_name=_("owner"),
    )
    subscription = models.ForeignKey(
        Subscription,
        on_delete=models.PROTECT,
        related_name="movements",
        verbose_name=_("subscription"),
    )
    currency = models.CharField(_("currency"), max_length=3)
    livemode = models.BooleanField(_("live mode"), default=False)
    kind = models.CharField(_("kind"), max_length=16, choices=Kind)
    before = models.DecimalField(_("before"), max_digits=19, decimal_places=4)
    after = models.DecimalField(_("after"), max_digits=19, decimal_places=4)
    at = models.DateTimeField(_("time"))

    class Meta:
        verbose_name = _("MRR movement")
        verbose_name_plural = _("MRR movements")
        indexes = [models.Index(fields=["at"], name="quickscale_stripe_mrr_at")]
        constraints = [
            models.CheckConstraint(
                condition=~Q(before=F("after")), name="quickscale_stripe_mrr_moves"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.before} to {self.after}"


class Payment(OwnedModel):
    """One payment by an owner: a one-time Checkout, or an invoice.

    ``amount`` is the money that moved, or will move, through Stripe: the sum of its charges once
    it is paid. ``total`` is what was billed. The rest was paid from the customer's balance,
    deducted by a credit note, or paid outside Stripe; see
    ``quickscale_stripe.receipts.receipt.settled``.
    ``next_attempt_at`` is when Stripe tries again to collect an unpaid invoice.
    ``credits`` is what the payment brings once it is paid. ``fulfilled_at`` is set when the hook
    has run, and ``fulfilment_error`` while a hook fails. ``credits_taken`` is how much of the
    period's credits a plan change took back.
    ``receipt_details`` holds lines, discount and buyer as Stripe had them when it was paid
    (``quickscale_stripe.receipts.receipt``), and before that the payment method, if it is known.
    """

    class Kind(models.TextChoices):
        ONE_TIME = "one_time", _("One-time purchase")
        SUBSCRIPTION = "subscription", _("Subscription")
        PLAN_CHANGE = "plan_change", _("Plan change")
        INVOICE = "invoice", _("Invoice")

    class Status(models.TextChoices):
        PENDING = "pending", _("Pending")
        SUCCEEDED = "succeeded", _("Paid")
        FAILED = "failed", _("Failed")
        PARTIALLY_REFUNDED = "partially_refunded", _("Partly refunded")
        REFUNDED = "refunded", _("Refunded")
        DISPUTED = "disputed", _("Disputed")

    owner = models.ForeignKey(
        owner_model_name(),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="stripe_payments",
        verbose_name=_("owner"),
    )
    kind = models.CharField(_("kind"), max_length=16, choices=Kind)
    status = models.CharField(_("status"), max_length=24, choices=Status, default=Status.PENDING)
    description = models.CharField(_("description"), max_length=512, blank=True)
    price = models.ForeignKey(
        StripePrice,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="payments",
        verbose_name=_("price"),
    )
    subscription = models.ForeignKey(
        Subscription,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="payments",
        verbose_name=_("subscription"),
    )
    total = models.BigIntegerField(_("total"))
    amount = models.BigIntegerField(_("amount"))
    tax = models.BigIntegerField(_("tax"), default=0)
    amount_refunded = models.BigIntegerField(_("refunded"), default=0)
    amount_disputed = models.BigIntegerField(_("withdrawn by disputes"), default=0)
    currency = models.CharField(_("currency"), max_length=3)
    credits = credits_field(_("credits"), default=Decimal(0))
    credits_taken = credits_field(_("credits taken back"), default=Decimal(0))
    checkout_session_id = optional_id_field(_("Checkout session"))
    invoice_id = optional_id_field(_("invoice"))
    receipt_number = models.CharField(
        _("receipt number"), max_length=32, unique=True, null=True, blank=True, default=None
    )
    receipt_details = models.JSONField(default=dict, editable=False)
    receipt_url = models.URLField(_("Stripe's receipt"), max_length=2048, blank=True)
    invoice_url = models.URLField(_("Stripe's invoice"), max_length=2048, blank=True)
    invoice_pdf = models.URLField(_("invoice as PDF"), max_length=2048, blank=True)
    failure_message = models.TextField(_("reason for the failure"), blank=True)
    next_attempt_at = models.DateTimeField(_("next attempt"), null=True, blank=True)
    livemode = models.BooleanField(_("live mode"), default=False)
    created_at = models.DateTimeField(_("created"))
    paid_at = models.DateTimeField(_("paid"), null=True, blank=True)
    fulfilled_at = models.DateTimeField(_("fulfilled"), null=True, blank=True)
    fulfilment_error = models.TextField(_("hook failure"), blank=True)

    objects: ClassVar[PaymentQuerySet] = PaymentQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        verbose_name = _("payment")
        verbose_name_plural = _("payments")
        permissions = [("refund_payment", "Can refund payment")]
        indexes = [
            models.Index(fields=["owner", "-created_at"], name="quickscale_stripe_pay_owner"),
            models.Index(fields=["-created_at"], name="quickscale_stripe_pay_created"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(amount__gte=0, amount_refunded__gte=0, amount_disputed__gte=0)
                & Q(amount__gte=F("amount_refunded") + F("amount_disputed")),
                name="quickscale_stripe_pay_amounts",
            ),
            models.CheckConstraint(
                condition=Q(credits__gte=0, credits_taken__gte=0),
                name="quickscale_stripe_pay_credits",
            ),
            models.CheckConstraint(
                condition=Q(paid_at__isnull=True) | Q(receipt_number__isnull=False),
                name="quickscale_stripe_pay_receipt",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.title}, {format_money(self.total, self.currency)}"

    @property
    def title(self) -> str:
        """What the payment is for, in words for people."""
        return self.description or str(self.get_kind_display())

    @property
    def is_paid(self) -> bool:
        """Whether the money came in, even if some was returned since."""
        return self.paid_at is not None

    @property
    def can_be_paid(self) -> bool:
        """Whether ``invoice_url`` leads to a page where it can be paid."""
        return not self.is_paid and bool(self.invoice_url)

    @property
    def is_late(self) -> bool:
        """Whether it is paid but not delivered, because a hook failed."""
        return bool(self.fulfilment_error) and self.fulfilled_at is None

    @property
    def amount_left(self) -> int:
        """The money that neither refunds nor disputes took back, in minor units."""
        return self.amount - self.amount_refunded - self.amount_disputed if self.is_paid else 0

    def mark_paid(self, at: datetime) -> None:
        """Set the time and the receipt number of a paid payment, once.

        The receipt number contains the row's id, so it is unique without a counter to lock.
        """
        if self.paid_at is None:
            self.paid_at = at
            self.receipt_number = f"R{at:%Y}-{self.pk:08d}"
            self.failure_message, self.next_attempt_at = "", None

    def set_status(self) -> None:
        """Set a paid payment's status by the money that went back. Stripe decides the others'."""
        if not self.is_paid:
            return
        if self.amount_disputed:
            self.status = self.Status.DISPUTED
        elif self.amount_refunded == 0:
            self.status = self.Status.SUCCEEDED
        elif self.amount_refunded < self.amount:
            self.status = self.Status.PARTIALLY_REFUNDED
        else:
            self.status = self.Status.REFUNDED


class Charge(models.Model):
    """A payment intent's part of a payment; its amount is 0 until it succeeds.

    Most payments have one. Several may pay an invoice, in parts.
    """

    payment = models.ForeignKey(
        Payment, on_delete=models.PROTECT, related_name="charges", verbose_name=_("payment")
    )
    payment_intent_id = models.CharField(_("payment intent"), max_length=255, db_index=True)
    charge_id = models.CharField(_("charge"), max_length=255, blank=True, db_index=True)
    amount = models.BigIntegerField(_("amount"))

    class Meta:
        verbose_name = _("charge")
        verbose_name_plural = _("charges")
        constraints = [
            models.UniqueConstraint(
                fields=["payment", "payment_intent_id"], name="quickscale_stripe_charge_intent"
            )
        ]

    def __str__(self) -> str:
        return self.payment_intent_id


class Refund(models.Model):
    """A refund of a payment; ``credits_revoked`` is how many of the payment's credits it claims.

    ``reference`` names a refund that was made here. It may cover several charges.
    """

    class Status(models.TextChoices):
        PENDING = "pending", _("Pending")
        REQUIRES_ACTION = "requires_action", _("Waiting for the customer")
        SUCCEEDED = "succeeded", _("Refunded")
        FAILED = "failed", _("Failed")
        CANCELED = "canceled", pgettext_lazy("refund", "Cancelled")

    stripe_id = stripe_id_field()
    payment = models.ForeignKey(
        Payment, on_delete=models.PROTECT, related_name="refunds", verbose_name=_("payment")
    )
    charge_id = models.CharField(_("charge"), max_length=255, blank=True)
    amount = models.BigIntegerField(_("amount"))
    currency = models.CharField(_("currency"), max_length=3)
    status = models.CharField(_("status"), max_length=16, choices=Status)
    reason = models.CharField(_("reason"), max_length=64, blank=True)
    failure_reason = models.CharField(_("reason for the failure"), max_length=255, blank=True)
    reference = models.CharField(_("reference"), max_length=255, blank=True, editable=False)
    credits_revoked = credits_field(_("credits revoked"), default=Decimal(0))
    created_at = models.DateTimeField(_("created"))
    synced_at = models.DateTimeField(_("last synced"), editable=False)

    class Meta:
        verbose_name = _("refund")
        verbose_name_plural = _("refunds")

    def __str__(self) -> str:
        return str(_("Refund of %s")) % format_money(self.amount, self.currency)

    @property
    def takes_money(self) -> bool:
        return self.status not in (self.Status.FAILED, self.Status.CANCELED)

    @property
    def key(self) -> str:
        """The key that hooks get for it."""
        return f"refund:{self.stripe_id}"


class Dispute(models.Model):
    """A dispute of a payment.

    ``is_withdrawn`` is set while Stripe has taken the money back, and ``credits_revoked`` with it.
    ``withdrawals`` counts how often that took credits: an appeal may cause it again.
    """

    stripe_id = stripe_id_field()
    payment = models.ForeignKey(
        Payment, on_delete=models.PROTECT, related_name="disputes", verbose_name=_("payment")
    )
    charge_id = models.CharField(_("charge"), max_length=255, blank=True)
    amount = models.BigIntegerField(_("amount"))
    currency = models.CharField(_("currency"), max_length=3)
    status = models.CharField(_("status"), max_length=32)
    reason = models.CharField(_("reason"), max_length=64, blank=True)
    evidence_due_by = models.DateTimeField(_("evidence due by"), null=True, blank=True)
    is_withdrawn = models.BooleanField(_("money withdrawn"), default=False)
    withdrawals = models.PositiveSmallIntegerField(_("withdrawals"), default=0)
    credits_revoked = credits_field(_("credits revoked"), default=Decimal(0))
    created_at = models.DateTimeField(_("created"))
    synced_at = models.DateTimeField(_("last synced"), editable=False)

    class Meta:
        verbose_name = _("dispute")
        verbose_name_plural = _("disputes")

    def __str__(self) -> str:
        return str(_("Dispute over %s")) % format_money(self.amount, self.currency)

    @property
    def takes_money(self) -> bool:
        return self.is_withdrawn

    @property
    def key(self) -> str:
        """The key that hooks get for the latest withdrawal; an appeal may cause another."""
        key = f"dispute:{self.stripe_id}:withdrawn"
        return key if self.withdrawals == 1 else f"{key}:{self.withdrawals}"


class StripeEvent(models.Model):
    """An event in the inbox.

    ``object_id`` is what a handler fetches. The payload is only a record: it is ``None`` for
    ignored events, which may be about strangers, and for others after ``EVENT_RETENTION_DAYS``.
    ``account`` is the connected account that the event happened on. ``error`` also says why an
    event was ignored.
    """

    class Status(models.TextChoices):
        RECEIVED = "received", _("Received")
        PROCESSED = "processed", _("Processed")
        FAILED = "failed", _("Failed, will be retried")
        IGNORED = "ignored", _("Ignored")
        DEAD = "dead", _("Dead")

    stripe_id = stripe_id_field()
    type = models.CharField(_("type"), max_length=255)
    object_id = models.CharField(_("object"), max_length=255, blank=True, db_index=True)
    snapshot_id = models.CharField(
        _("snapshot event"),
        max_length=255,
        blank=True,
        db_index=True,
        help_text=_("The event of the older format that reports the same; only on thin events."),
    )
    account = models.CharField(_("connected account"), max_length=255, blank=True)
    api_version = models.CharField(_("API version"), max_length=64, blank=True)
    livemode = models.BooleanField(_("live mode"))
    payload = models.JSONField(_("payload"), null=True)
    status = models.CharField(_("status"), max_length=16, choices=Status, default=Status.RECEIVED)
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    next_attempt_at = models.DateTimeField(_("next attempt"), null=True, blank=True)
    error = models.TextField(_("error"), blank=True)
    traceback = models.TextField(_("traceback"), blank=True)
    created_at = models.DateTimeField(_("created"))
    received_at = models.DateTimeField(_("received"), default=timezone.now)
    processed_at = models.DateTimeField(_("processed"), null=True, blank=True)

    objects: ClassVar[StripeEventQuerySet] = StripeEventQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        indexes = [
            models.Index(fields=["status", "next_attempt_at"], name="quickscale_stripe_event_due"),
            models.Index(fields=["-created_at"], name="quickscale_stripe_event_new"),
            models.Index(
                fields=["received_at"],
                condition=Q(payload__isnull=False),
                name="quickscale_stripe_event_kept",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} ({self.stripe_id})"

    @property
    def is_done(self) -> bool:
        return self.status in (self.Status.PROCESSED, self.Status.IGNORED)
