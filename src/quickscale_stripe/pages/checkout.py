"""Buying a package: the offer, Checkout, and the way back."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from quickscale.internal.fragments import FragmentMixin
from quickscale.links import PageView, page_url
from quickscale.login import OwnerRequiredMixin
from quickscale_stripe.billing import checkout, sessions
from quickscale_stripe.catalogue import mirror
from quickscale_stripe.conf import app_settings
from quickscale_stripe.exceptions import (
    FulfilmentFailedError,
    PaymentsError,
    StripeRefusedError,
)
from quickscale_stripe.models import Payment
from quickscale_stripe.pages.base import (
    FormTargetMixin,
    PaymentsMixin,
    WaitsForStripeMixin,
    absolute_url,
    go_to,
    success_url,
)
from quickscale_stripe.pages.forms import PurchaseForm

_CHECKS_OF_A_PENDING_PAYMENT = 10


class BuyCreditsView(PaymentsMixin, PageView):
    """The packages on sale."""

    template_name = "quickscale_stripe/buy_credits.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            offers=mirror.packages(owner=self.owner), reference=uuid.uuid4(), **kwargs
        )


class CheckoutView(FormTargetMixin):
    """Sends the buyer to Stripe's page; an HTMX request goes there by ``HX-Redirect``."""

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        form = PurchaseForm(request.POST, owner=self.owner)
        if not form.is_valid():
            messages.warning(request, _("This package is no longer for sale."))
            return go_to(request, page_url(request, "quickscale_stripe:buy_credits"))
        session = checkout.buy(
            owner=self.owner,
            price=form.cleaned_data["price"],
            success_url=success_url(request),
            cancel_url=absolute_url(
                request, app_settings.cancel_url, "quickscale_stripe:checkout_cancelled"
            ),
            reference=str(form.cleaned_data["reference"]),
        )
        return go_to(request, session.url or "")


@method_decorator(never_cache, name="dispatch")
class CheckoutDoneView(FragmentMixin, WaitsForStripeMixin, OwnerRequiredMixin, PageView):
    """The page that the buyer returns to; fulfils the session if the webhook hasn't yet."""

    template_name = "quickscale_stripe/checkout_done.html"
    fragment_name = "quickscale_stripe/_checkout_result.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        session_id = self.request.GET.get("session_id", "")
        checks = int(check) if (check := self.request.GET.get("check", "")).isdecimal() else 0
        payment = self._payment(session_id)
        paid = payment is not None and payment.is_paid
        late = payment is not None and payment.is_late
        failed = payment is not None and payment.status == Payment.Status.FAILED
        return super().get_context_data(
            payment=payment,
            state="late" if late else "paid" if paid else "failed" if failed else "pending",
            balance=app_settings.fulfilment.balance(owner=self.owner)
            if paid and not late
            else None,
            session_id=session_id,
            next_check=checks + 1 if checks < _CHECKS_OF_A_PENDING_PAYMENT else None,
            **kwargs,
        )

    def _payment(self, session_id: str) -> Payment | None:
        """Return the owner's payment, or ``None`` until Stripe reports a finished session."""
        known = Payment.objects.for_owner(self.owner).filter(checkout_session_id=session_id)
        if (payment := known.first()) and payment.fulfilled_at:
            return payment
        if not session_id.startswith("cs_"):
            raise Http404
        try:
            payment = sessions.sync(session_id)
        except FulfilmentFailedError as error:
            payment = error.payment
        except PaymentsError as error:
            if isinstance(error, StripeRefusedError) and error.is_missing:
                raise Http404 from error
            return known.first()
        if payment and payment.owner != self.owner:
            raise Http404
        return payment


class CheckoutCancelledView(OwnerRequiredMixin, PageView):
    """The page for a buyer who went back without paying."""

    template_name = "quickscale_stripe/checkout_cancelled.html"
