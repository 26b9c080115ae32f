"""The billing page, and the payment method with the ways to Stripe's pages about it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache

from quickscale.links import PageView, page_url
from quickscale.login import OwnerRequiredMixin
from quickscale_stripe.alerts import alert_of
from quickscale_stripe.billing import customers, portal
from quickscale_stripe.billing.standing import standing_of
from quickscale_stripe.client import payments_are_on
from quickscale_stripe.conf import app_settings
from quickscale_stripe.exceptions import PaymentsError
from quickscale_stripe.models import Payment, StripeCustomer
from quickscale_stripe.pages.base import FormTargetMixin, WaitsForStripeMixin, go_to
from quickscale_stripe.receipts.receipt import Party, buyer_of

RECENT = 5


@method_decorator(never_cache, name="dispatch")
class StandingView(WaitsForStripeMixin, OwnerRequiredMixin, PageView):
    """A page about how the owner stands.

    A change that was made on one of Stripe's pages is shown as soon as the customer comes back.
    """

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        if payments_are_on():
            # While Stripe doesn't respond, the page shows what is known here.
            with suppress(PaymentsError):
                self._catch_up()
        standing = standing_of(self.owner)
        return super().get_context_data(
            standing=standing,
            alert=alert_of(standing, self.request),
            payments_are_on=payments_are_on(),
            **kwargs,
        )

    def _catch_up(self) -> None:
        owned = StripeCustomer.objects.for_owner(self.owner).filter(livemode=app_settings.live_mode)
        if "from" in self.request.GET and (customer := owned.first()):
            customers.sync(customer.stripe_id or "")


class SubscriptionView(StandingView):
    """The plan, or the last one that ended."""

    template_name = "quickscale_stripe/subscription.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs)
        plan = context["standing"].plan
        return context | {
            "subscription": context["standing"].subscription,
            "plan_credits": plan and app_settings.fulfilment.plan_credits(subscription=plan),
        }


class BillingView(SubscriptionView):
    """The plan, its next charge, what it is charged to, the last payments, and the buyer."""

    template_name = "quickscale_stripe/billing.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs)
        recent = list(Payment.objects.for_owner(self.owner)[:RECENT])
        buyer = _buyer(context["standing"].customer, recent)
        return context | {"payments": recent, "buyer": buyer}


class PaymentMethodView(StandingView):
    """What the next invoice is charged to, and the way to change it."""

    template_name = "quickscale_stripe/payment_method.html"


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


def _buyer(customer: StripeCustomer | None, recent: list[Payment]) -> Party | None:
    """Return who the last receipt names, else the customer; ``None`` before the first purchase."""
    if paid := next((payment for payment in recent if payment.is_paid), None):
        return buyer_of(paid)
    return Party(customer.name, customer.email) if customer else None
