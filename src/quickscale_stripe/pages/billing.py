from __future__ import annotations

from contextlib import suppress
from datetime import date, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache

from quickscale.links import PageView, page_url
from quickscale.login import OwnerRequiredMixin
from quickscale_stripe.billing import customers, portal
from quickscale_stripe.client import payments_are_on
from quickscale_stripe.conf import app_settings
from quickscale_stripe.exceptions import PaymentsError
from quickscale_stripe.models import StripeCustomer
from quickscale_stripe.pages.base import FormTargetMixin, WaitsForStripeMixin, go_to

_SOON = timedelta(days=45)


@method_decorator(never_cache, name="dispatch")
class BillingView(WaitsForStripeMixin, OwnerRequiredMixin, PageView):
    """What the next invoice is charged to, and the ways to change it.

    A change that was made on one of Stripe's pages is shown as soon as the customer comes back.
    """

    template_name = "quickscale_stripe/billing.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        if payments_are_on():
            # While Stripe doesn't respond, the page shows what is known here.
            with suppress(PaymentsError):
                self._catch_up()
        customer = self._customer()
        method = customer.payment_method if customer else {}
        ends = _end_of(*method["expires"]) if "expires" in method else None
        return super().get_context_data(
            method=method,
            ends=ends,
            is_over=ends is not None and ends < timezone.localdate(),
            ends_soon=ends is not None and ends < timezone.localdate() + _SOON,
            payments_are_on=payments_are_on(),
            **kwargs,
        )

    def _customer(self) -> StripeCustomer | None:
        owned = StripeCustomer.objects.for_owner(self.owner).filter(livemode=app_settings.live_mode)
        return owned.first()

    def _catch_up(self) -> None:
        if "from" in self.request.GET and (customer := self._customer()):
            customers.sync(customer.stripe_id or "")


class BillingPortalView(FormTargetMixin):
    """Sends the owner to Stripe's page for payment methods, billing details and invoices."""

    back = "quickscale_stripe:billing"

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        back = _return_url(request)
        return go_to(request, portal.open_portal(owner=self.owner, return_url=back))


class AddPaymentMethodView(FormTargetMixin):
    """Sends the owner to Stripe's page for a new payment method, which then leads back."""

    back = "quickscale_stripe:billing"

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        back = _return_url(request)
        return go_to(request, portal.update_payment_method(owner=self.owner, return_url=back))


def _return_url(request: HttpRequest) -> str:
    page = page_url(request, "quickscale_stripe:billing")
    return request.build_absolute_uri(f"{page}?from=portal")


def _end_of(year: int, month: int) -> date:
    """Return the last day on which a card is valid."""
    return date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)
