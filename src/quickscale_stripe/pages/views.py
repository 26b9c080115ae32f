from __future__ import annotations

import uuid
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.core.paginator import Paginator
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.generic import View

from quickscale.clients import client_address
from quickscale.fragments import FragmentMixin
from quickscale.links import PageView, page_url
from quickscale.login import OwnerRequiredMixin
from quickscale_stripe.billing import checkout, sessions
from quickscale_stripe.catalogue import mirror
from quickscale_stripe.client import payments_are_on
from quickscale_stripe.conf import app_settings
from quickscale_stripe.events import inbox
from quickscale_stripe.exceptions import (
    FulfilmentFailedError,
    InvalidWebhookError,
    MayNotBuyError,
    PaymentsError,
    StripeRefusedError,
    StripeUnavailableError,
)
from quickscale_stripe.models import Payment
from quickscale_stripe.pages.filters import PaymentFilter
from quickscale_stripe.pages.forms import PurchaseForm
from quickscale_stripe.receipts import pdf, receipt

_CHECKS_OF_A_PENDING_PAYMENT = 10


class WaitsForStripeMixin(View):
    """A view outside the transaction of ``ATOMIC_REQUESTS``, which would lock rows meanwhile."""

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Callable[..., HttpResponseBase]:
        return transaction.non_atomic_requests(super().as_view(**initkwargs))


class PaymentsMixin(WaitsForStripeMixin, OwnerRequiredMixin):
    """A page that needs Stripe: says so when payments are off or Stripe doesn't answer.

    ``back`` names where that page leads. ``may_be_done`` tells that a request whose answer is
    missing may have been carried out.
    """

    back = "quickscale_stripe:buy_credits"
    may_be_done = False

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.user.is_authenticated and not payments_are_on():
            return render(request, "quickscale_stripe/off.html")
        try:
            return super().dispatch(request, *args, **kwargs)
        except MayNotBuyError as error:
            messages.warning(request, str(error))
            return go_to(request, page_url(request, self.back))
        except FulfilmentFailedError as error:
            text = _(
                "You have paid, and need not pay again. Your credits are late: we have been told."
            )
            messages.warning(request, text)
            payment = page_url(request, "quickscale_stripe:payment", pk=error.payment.pk)
            return go_to(request, payment)
        except PaymentsError as error:
            context = {
                "back": self.back,
                "can_retry": isinstance(error, StripeUnavailableError),
                "may_be_done": self.may_be_done and request.method == "POST",
                "error": error,
            }
            return render(request, "quickscale_stripe/unavailable.html", context, status=503)


class FormTargetMixin(PaymentsMixin):
    """What a form is sent to. A visitor who comes without one, by a link or after signing in, is
    led to the page with the form, which ``back`` names.
    """

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        return redirect(page_url(request, self.back))


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
    """Where the buyer comes back to: fulfils the session if the webhook didn't yet."""

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
        """The owner's payment; ``None`` while Stripe doesn't tell that the session is finished."""
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
    """Where a buyer who goes back comes to: nothing was charged."""

    template_name = "quickscale_stripe/checkout_cancelled.html"


class PaymentListView(FragmentMixin, OwnerRequiredMixin, PageView):
    """The owner's payments, filtered and paged."""

    template_name = "quickscale_stripe/payments.html"
    fragment_name = "quickscale_stripe/_payments.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        filters = PaymentFilter(self.request.GET, Payment.objects.for_owner(self.owner))
        pages = Paginator(filters.qs, app_settings.page_size)
        query = self.request.GET.copy()
        query.pop("page", None)
        return super().get_context_data(
            filter=filters,
            page=pages.get_page(self.request.GET.get("page")),
            query=query.urlencode(),
            **kwargs,
        )


class PaymentView(OwnerRequiredMixin, PageView):
    """One payment, with its refunds and what it brought."""

    template_name = "quickscale_stripe/payment.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        payment = get_object_or_404(Payment.objects.for_owner(self.owner), pk=self.kwargs["pk"])
        return super().get_context_data(
            payment=payment,
            refunds=payment.refunds.order_by("created_at"),
            disputes=payment.disputes.order_by("created_at"),
            settled=receipt.settled(payment) if payment.is_paid else [],
            pdf_is_available=pdf.is_available(),
            **kwargs,
        )


@method_decorator([csrf_exempt, login_not_required, transaction.non_atomic_requests], "dispatch")
class WebhookView(View):
    """Stripe's endpoint.

    400: not an event of Stripe's; 403: not from ``WEBHOOK_NETWORKS``; 409, 500: Stripe should send
    it again.
    """

    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        if not _may_send_events(request):
            return HttpResponse("Not your network.", status=403, content_type="text/plain")
        if not payments_are_on():
            return HttpResponse("Payments are off.", status=503, content_type="text/plain")
        if _is_too_large(request, app_settings.webhook_max_bytes):
            return HttpResponse("Too large.", status=413, content_type="text/plain")
        try:
            event = inbox.receive(request.body, request.headers.get("Stripe-Signature"))
        except InvalidWebhookError as error:
            return HttpResponse(str(error), status=400, content_type="text/plain")
        if app_settings.webhook_tasks:
            inbox.enqueue(event)
            return HttpResponse("queued", content_type="text/plain")
        outcome = inbox.process(event.pk)
        status = {
            inbox.Outcome.DONE: 200,
            inbox.Outcome.BUSY: 409,
            inbox.Outcome.FAILED: 500,
        }[outcome]
        return HttpResponse(outcome.value, status=status, content_type="text/plain")


def _may_send_events(request: HttpRequest) -> bool:
    """Whether ``WEBHOOK_NETWORKS`` has the client's address; an unknown address is refused."""
    networks = app_settings.webhook_networks
    if not networks:
        return True
    address = client_address(request)
    return address is not None and any(ip_address(address) in network for network in networks)


def _is_too_large(request: HttpRequest, limit: int) -> bool:
    """By the declared length first, so that a large body isn't even read."""
    declared = request.META.get("CONTENT_LENGTH") or ""
    return (declared.isdecimal() and int(declared) > limit) or len(request.body) > limit


def go_to(request: HttpRequest, url: str) -> HttpResponse:
    """Redirect. HTMX can't follow a redirect to another site, so a header tells it to go there."""
    if request.headers.get("HX-Request") == "true":
        return HttpResponse(headers={"HX-Redirect": url})
    return HttpResponseRedirect(url)


def absolute_url(request: HttpRequest, setting: str, url_name: str) -> str:
    """The address that a setting gives, or that of the app's own page."""
    return request.build_absolute_uri(setting or page_url(request, url_name))


def success_url(request: HttpRequest) -> str:
    url = absolute_url(request, app_settings.success_url, "quickscale_stripe:checkout_done")
    return f"{url}{'&' if '?' in url else '?'}session_id={{CHECKOUT_SESSION_ID}}"
