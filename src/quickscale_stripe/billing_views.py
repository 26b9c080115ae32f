from __future__ import annotations

import uuid
from contextlib import suppress
from datetime import date, timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.generic import TemplateView

from quickscale_stripe import checkout, fulfilment, payment_methods, portal
from quickscale_stripe.client import payments_are_on
from quickscale_stripe.conf import app_settings
from quickscale_stripe.exceptions import NotForSaleError, PaymentsError
from quickscale_stripe.forms import ReferenceForm
from quickscale_stripe.models import StripeCustomer
from quickscale_stripe.views import OwnerMixin, PaymentsMixin, go_to

_SOON = timedelta(days=45)


@method_decorator(never_cache, name="dispatch")
class BillingView(OwnerMixin, TemplateView):
    """What the next invoice is charged to, and the ways to change it.

    Who comes back from one of Stripe's pages sees what was changed there at once.
    """

    template_name = "quickscale_stripe/billing.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        if payments_are_on():
            # While Stripe doesn't answer, the page shows what is known here.
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
            reference=uuid.uuid4(),
            **kwargs,
        )

    def _customer(self) -> StripeCustomer | None:
        owned = StripeCustomer.objects.filter(owner=self.owner, livemode=app_settings.live_mode)
        return owned.first()

    def _catch_up(self) -> None:
        session_id = self.request.GET.get("session_id", "")
        if session_id.startswith("cs_"):
            fulfilment.fulfil(session_id)
        elif "from" in self.request.GET and (customer := self._customer()):
            payment_methods.sync(customer)


class BillingPortalView(PaymentsMixin):
    """Sends the owner to Stripe's page for payment methods, billing details and invoices."""

    back = "quickscale_stripe:billing"
    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        back = request.build_absolute_uri(f"{reverse('quickscale_stripe:billing')}?from=portal")
        return go_to(request, portal.open_portal(owner=self.owner, return_url=back))


class AddPaymentMethodView(PaymentsMixin):
    """Sends the owner to Checkout to save a payment method without paying."""

    back = "quickscale_stripe:billing"
    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        form = ReferenceForm(request.POST)
        page = request.build_absolute_uri(reverse("quickscale_stripe:billing"))
        if not form.is_valid():
            return go_to(request, page)
        try:
            session = checkout.save_payment_method(
                owner=self.owner,
                success_url=f"{page}?session_id={{CHECKOUT_SESSION_ID}}",
                cancel_url=page,
                reference=str(form.cleaned_data["reference"]),
            )
        except NotForSaleError:
            messages.info(request, _("Nothing is for sale, so no payment method is needed."))
            return go_to(request, page)
        return go_to(request, session.url or "")


def _end_of(year: int, month: int) -> date:
    """The last day on which a card is good."""
    return date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)
