"""The outbox of the ledger's signals."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from quickscale_credits.models.base import account_key


class CreditEvent(models.Model):
    """An event in the outbox: written with the change that it reports, sent after the commit."""

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
    account = account_key("events", db_constraint=False)
    payload = models.JSONField(_("payload"), default=dict)
    created_at = models.DateTimeField(_("created"))
    delivered_at = models.DateTimeField(_("delivered"), null=True, blank=True)
    attempts = models.PositiveIntegerField(_("attempts"), default=0, db_default=0)
    last_error = models.TextField(_("last error"), blank=True, default="", db_default="")
    pending = models.JSONField(
        null=True,
        blank=True,
        help_text=_("Receivers that still have to get it; empty before the first delivery."),
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
