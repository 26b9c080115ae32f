"""Buying a package: the offer, Checkout, and the way back."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from quickscale.internal.fragments import FragmentMixin, wants_fragment
from quickscale.links import PageView, find_page_url, page_url
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
from quickscale_stripe.pages import cards
from quickscale_stripe.pages.base import (
    FormTargetMixin,
    PaymentsMixin,
    WaitsForStripeMixin,
    cancel_url,
    go_to,
    success_url,
)
from quickscale_stripe.pages.forms import PurchaseForm

_CHECKS_OF_A_PENDING_PAYMENT = 10
_CHECK = "quickscale_stripe/_checkout_check.html"


class BuyCreditsView(PaymentsMixin, PageView):
    """The packages on sale."""

    template_name = "quickscale_stripe/buy_credits.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            cards=cards.package_cards(self.request, mirror.packages(owner=self.owner)),
            reference=uuid.uuid4(),
            **kwargs,
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
            cancel_url=cancel_url(request, "packages"),
            reference=str(form.cleaned_data["reference"]),
        )
        return go_to(request, session.url or "")


@method_decorator(never_cache, name="dispatch")
class CheckoutDoneView(FragmentMixin, WaitsForStripeMixin, OwnerRequiredMixin, PageView):
    """The page that the buyer returns to; fulfils the session if the webhook hasn't yet.

    HTMX asks for the result of a pending payment again and again. Until there is one, it gets only
    ``_checkout_check.html``, so that nobody loses their place on the page.
    """

    template_name = "quickscale_stripe/checkout_done.html"
    fragment_name = "quickscale_stripe/_checkout_result.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        context = self.get_context_data()
        response = self.render_to_response(context)
        if self.fragment_name == _CHECK and wants_fragment(request):
            response["HX-Retarget"] = "#checkout-check"
        return response

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        session_id = self.request.GET.get("session_id", "")
        checks = int(check) if (check := self.request.GET.get("check", "")).isdecimal() else 0
        payment = self._payment(session_id)
        state = _state(payment)
        if state == "pending" and checks:
            self.fragment_name = _CHECK
        return super().get_context_data(
            payment=payment,
            state=state,
            session_id=session_id,
            next_check=checks + 1 if checks < _CHECKS_OF_A_PENDING_PAYMENT else None,
            mail_comes="purchase" in app_settings.mails,
            **(self._delivered(payment) if payment and state == "paid" else {}),
            **kwargs,
        )

    def _delivered(self, payment: Payment) -> dict[str, Any]:
        """Return what the buyer has now, what comes next, and where to go on."""
        hooks = app_settings.fulfilment
        return {
            "balance": hooks.balance(owner=self.owner),
            "next_credits": hooks.next_credits(owner=self.owner) if payment.subscription else None,
            "next_step": self._next_step(hooks.next_step(owner=self.owner, payment=payment)),
        }

    def _next_step(self, step: tuple[str, str] | None) -> dict[str, str] | None:
        """Return the label and the URL of the next step, if this page knows its parameters."""
        if step is None:
            return None
        label, name = step
        url = find_page_url(self.request, name)
        return {"label": label, "url": url} if url else None

    def _payment(self, session_id: str) -> Payment | None:
        """Return the owner's payment, or ``None`` until Stripe reports a finished session."""
        owned = Payment.objects.for_owner(self.owner).select_related("subscription__price")
        known = owned.filter(checkout_session_id=session_id)
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

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            from_plans=self.request.GET.get("from") == "plans", **kwargs
        )


def _state(payment: Payment | None) -> str:
    if payment is None:
        return "pending"
    if payment.is_late:
        return "late"
    if payment.is_paid:
        return "paid"
    return "failed" if payment.status == Payment.Status.FAILED else "pending"
