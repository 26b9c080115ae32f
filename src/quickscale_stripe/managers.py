from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from django.db import models
from django.db.models import F, Q, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from quickscale.internal.owner_key import require_owner_key
from quickscale_stripe.conf import app_settings

if TYPE_CHECKING:
    from quickscale_stripe.models import (  # noqa: F401
        Payment,
        StripeCustomer,
        StripeEvent,
        StripePrice,
        Subscription,
    )


RowsT = TypeVar("RowsT", bound="models.QuerySet[Any]")


def _owned(rows: RowsT, owner: Any) -> RowsT:
    """Return the owner's rows of the site's mode. Rows of deleted owners belong to nobody."""
    if owner is None:
        return rows.none()
    _require_key(rows)
    return rows.filter(owner=owner, livemode=app_settings.live_mode)


def _require_key(rows: models.QuerySet[Any]) -> None:
    from quickscale_stripe.models import StripeCustomer

    require_owner_key(StripeCustomer, rows.db)


class StripeCustomerQuerySet(models.QuerySet["StripeCustomer"]):
    def for_owner(self, owner: Any) -> StripeCustomerQuerySet:
        """Return the owner's customer, of either mode. A deleted owner's belongs to nobody."""
        if owner is None:
            return self.none()
        _require_key(self)
        return self.filter(owner=owner)

    def known_as(self, stripe_id: str) -> StripeCustomerQuerySet:
        """Return the customers that have, or had, this id at Stripe."""
        return self.filter(Q(stripe_id=stripe_id) | Q(former_ids__contains=[stripe_id]))

    def usable(self) -> StripeCustomerQuerySet:
        """Return the customers of the site's mode that exist at Stripe."""
        return self.filter(
            stripe_id__isnull=False, deleted_at=None, livemode=app_settings.live_mode
        )


class StripePriceQuerySet(models.QuerySet["StripePrice"]):
    def offered(self, *, owner: Any = None) -> StripePriceQuerySet:
        """Return the prices on sale now, in display order, with their products.

        They are this site's active per-unit prices of active products, in the site's mode, and
        within ``MIN_PURCHASE`` and ``MAX_PURCHASE``. An ``owner`` who has a subscription is offered
        only its currency, because Stripe bills a customer in one currency at a time. Pages, forms,
        checkout and plan changes all use this method.
        """
        prices = self.filter(
            for_sale=True,
            active=True,
            product__active=True,
            livemode=app_settings.live_mode,
            unit_amount__isnull=False,
        )
        if owner is not None:
            prices = prices.filter(currency=Coalesce(self._currency_of(owner), F("currency")))
        if app_settings.min_purchase is not None:
            prices = prices.filter(unit_amount__gte=app_settings.min_purchase)
        if app_settings.max_purchase is not None:
            prices = prices.filter(unit_amount__lte=app_settings.max_purchase)
        return prices.select_related("product").order_by(
            "product__display_order", "display_order", "currency", "unit_amount", "id"
        )

    def _currency_of(self, owner: Any) -> Subquery:
        from quickscale_stripe.models import Subscription

        live = Subscription.objects.for_owner(owner).live().exclude(price=None)
        return Subquery(live.values("price__currency")[:1])

    def one_time(self) -> StripePriceQuerySet:
        return self.filter(interval="")

    def recurring(self) -> StripePriceQuerySet:
        return self.exclude(interval="")


class SubscriptionQuerySet(models.QuerySet["Subscription"]):
    def for_owner(self, owner: Any) -> SubscriptionQuerySet:
        """Return the owner's subscriptions of the site's mode."""
        return _owned(self, owner)

    def live(self) -> SubscriptionQuerySet:
        """Return subscriptions that have not ended, whatever their payment status, newest first."""
        return self.exclude(status__in=self.model.ENDED).order_by("-created_at", "-id")

    def with_plans(self) -> SubscriptionQuerySet:
        """Fetch the plans, also a scheduled one, in the same query."""
        return self.select_related("price__product", "pending_price__product")


class PaymentQuerySet(models.QuerySet["Payment"]):
    def for_owner(self, owner: Any) -> PaymentQuerySet:
        """Return the owner's payments of the site's mode, newest first, with the related rows of a
        list."""
        return _owned(self, owner).select_related("price__product").order_by("-created_at", "-id")

    def paid(self) -> PaymentQuerySet:
        return self.filter(paid_at__isnull=False)


class StripeEventQuerySet(models.QuerySet["StripeEvent"]):
    def due(self) -> StripeEventQuerySet:
        """Return the events to process now: never tried, or failed and past their next attempt."""
        status = self.model.Status
        return self.filter(
            Q(status=status.RECEIVED) | Q(status=status.FAILED, next_attempt_at__lte=timezone.now())
        ).order_by("created_at", "id")

    def finished(self) -> StripeEventQuerySet:
        """Return the events that are not retried automatically."""
        return self.exclude(status__in=[self.model.Status.RECEIVED, self.model.Status.FAILED])
