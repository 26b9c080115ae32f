"""Reads of the ledger, correct at any moment whether or not an expiry has been posted."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Self

from asgiref.sync import sync_to_async
from django.db import models
from django.db.models import Case, Exists, F, OuterRef, Prefetch, Q, Subquery, Sum, Value, When
from django.db.models.functions import Coalesce

from quickscale.internal.owner_key import require_owner_key
from quickscale_credits.conf import app_settings
from quickscale_credits.exceptions import InactiveServiceError, UnknownServiceError
from quickscale_credits.internal.expressions import LedgerClock, Settled

if TYPE_CHECKING:
    from quickscale_credits.models import (  # noqa: F401
        CreditAccount,
        CreditHold,
        CreditLot,
        Service,
        ServicePrice,
    )

ZERO = Value(Decimal(0), output_field=models.DecimalField(max_digits=19, decimal_places=4))


def owner_hints(owner: Any) -> dict[str, Any]:
    """Return the hints about an account's owner for a database router."""
    return {"instance": owner} if isinstance(owner, models.Model) else {}


class AccountManager(models.Manager["CreditAccount"]):
    def for_owner(self, owner: Any) -> CreditAccount:
        """Return the owner's account, opened on first use; concurrent calls open only one."""
        from quickscale_credits import ledger

        return self._of(owner) or ledger.open_account(owner=owner, using=self._db)

    afor_owner = sync_to_async(for_owner)

    def to_read(self, owner: Any) -> CreditAccount:
        """Return the owner's account without opening it, so that reading stores nothing.

        An account that is not open yet is empty and can't be written to. If new accounts get
        ``QUICKSCALE_CREDITS_STARTING_BALANCE``, it is opened, because its owner has credits.
        """
        if app_settings.starting_balance:
            return self.for_owner(owner)
        return self._of(owner) or self.model(pk=0, owner_id=getattr(owner, "pk", None))

    def _of(self, owner: Any) -> CreditAccount | None:
        if owner is None:  # accounts of deleted owners belong to nobody
            return None
        accounts = self.db_manager(self._db, owner_hints(owner)).all()
        require_owner_key(self.model, accounts.db)
        return accounts.filter(owner=owner).first()


class LotQuerySet(models.QuerySet["CreditLot"]):
    def live(self) -> Self:
        """Return the lots with credits that have started, and annotate what each has now.

        The annotations are those of :meth:`open`.
        """
        return self.open().filter(effective_at__lte=LedgerClock())

    def open(self) -> Self:
        """Return the lots with credits, also those that start later, and annotate what each has.

        ``live_held`` is what open holds set aside, without those that have timed out.
        ``live_remaining`` is the number of credits that have not ended, after the account's debts
        are paid. Held credits outlive their lot.
        """
        from quickscale_credits.models import CreditHoldAllocation, CreditLot

        owing = Exists(CreditLot._base_manager.filter(account=OuterRef("account"), owes=True))

        timed_out = (
            CreditHoldAllocation.objects.filter(
                lot=OuterRef("pk"),
                hold__account=OuterRef("account"),
                hold__status="open",
                hold__expires_at__lte=LedgerClock(),
            )
            .order_by()
            .values("lot")
            .values_list(Sum("amount"))
        )
        return (
            self.filter(is_open=True)
            .annotate(
                live_held=Case(
                    When(held__gt=0, then=F("held") - Coalesce(Subquery(timed_out), ZERO)),
                    default=ZERO,
                )
            )
            .annotate(
                live_remaining=Case(
                    When(Q(expires_at__lte=LedgerClock()), then=F("live_held")),
                    When(owing, then=F("remaining") + Settled(F("account"), F("pk"))),
                    default=F("remaining"),
                )
            )
        )

    def with_transfers(self) -> Self:
        """Return these lots and those that transfers made of them in other accounts, at any depth.

        With it, a refund finds the credits of a purchase wherever they are. Lots that a conversion
        or roll-over made are included only if they were transferred, because
        :func:`~quickscale_credits.ledger.revoke` of the original lot takes from them anyway.
        """
        lots = self.model._base_manager.using(self.db)
        found = set(self.values_list("pk", flat=True))
        latest = set(found)
        while latest:
            made = lots.filter(Q(parent__in=latest) | Q(transferred_from__in=latest))
            origins = dict(made.values_list("pk", "transferred_from"))
            latest = set(origins)
            found |= {pk for pk, origin in origins.items() if origin is not None}
        return self.model._default_manager.using(self.db).filter(pk__in=found)  # type: ignore[return-value]

    def balance(self) -> Decimal:
        """Return the credits that have started and not ended, including held ones."""
        return self.live()._total(F("live_remaining"))

    def available(self) -> Decimal:
        """Return the balance less what is held."""
        return self.live()._total(F("live_remaining") - F("live_held"))

    def balance_by_type(self) -> dict[str, Decimal]:
        """Return the balance of every type, and of the overdraft if there is one."""
        from quickscale_credits.models import CreditLot

        rows = self.live().values_list("credit_type").annotate(total=Sum("live_remaining"))
        totals = dict.fromkeys(CreditLot.CreditType.values, Decimal(0))
        totals.update(rows.order_by())
        if not totals[CreditLot.CreditType.OVERDRAFT]:
            del totals[CreditLot.CreditType.OVERDRAFT]
        return totals

    def expiring(self, within: timedelta) -> Decimal:
        """Return the credits that can be spent now and end within that time."""
        return (
            self.live()
            .filter(expires_at__gt=LedgerClock(), expires_at__lte=LedgerClock() + within)
            ._total(F("live_remaining") - F("live_held"))
        )

    def _total(self, expression: Any) -> Decimal:
        total: Decimal = self.aggregate(total=Coalesce(Sum(expression), ZERO))["total"]
        return total


class HoldQuerySet(models.QuerySet["CreditHold"]):
    def open(self) -> Self:
        """Return the holds that can still be captured or released."""
        return self.filter(status="open", expires_at__gt=LedgerClock())


class ServiceQuerySet(models.QuerySet["Service"]):
    def active(self) -> Self:
        return self.filter(is_active=True)

    def with_prices(self) -> Self:
        """Prefetch the ``prices_in_force`` of the services with one more query."""
        from quickscale_credits.models import ServicePrice

        prices = ServicePrice.objects.in_force()
        return self.prefetch_related(Prefetch("prices", prices, to_attr="prices_in_force"))

    def for_code(self, code: str) -> Service:
        """Return the active service with that code.

        Raises:
            UnknownServiceError: no service has the code.
            InactiveServiceError: the service is switched off.
        """
        service = self.filter(slug=code).first()
        if service is None:
            raise UnknownServiceError(code)
        if not service.is_active:
            raise InactiveServiceError(code)
        return service


class PriceQuerySet(models.QuerySet["ServicePrice"]):
    def in_force(self, at: datetime | None = None) -> Self:
        """Return the price of each meter and dimension in force at ``at``, by default now."""
        return (
            self.filter(effective_at__lte=LedgerClock() if at is None else at)
            .order_by("service_id", "meter", "dimension", "-effective_at", "-pk")
            .distinct("service_id", "meter", "dimension")
        )

    def with_status(self) -> Self:
        """Annotate ``status``: ``"coming"``, ``"in force"`` or ``"past"``."""
        from quickscale_credits.models import ServicePrice

        current = ServicePrice.objects.in_force().values("pk")
        return self.annotate(
            status=Case(
                When(effective_at__gt=LedgerClock(), then=Value("coming")),
                When(pk__in=current, then=Value("in force")),
                default=Value("past"),
            )
        )


LotManager = models.Manager.from_queryset(LotQuerySet)
HoldManager = models.Manager.from_queryset(HoldQuerySet)
ServiceManager = models.Manager.from_queryset(ServiceQuerySet)
PriceManager = models.Manager.from_queryset(PriceQuerySet)
