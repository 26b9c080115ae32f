"""Code that several pages share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.generic import View

from quickscale.links import page_url
from quickscale.login import OwnerRequiredMixin
from quickscale_stripe.client import payments_are_on
from quickscale_stripe.conf import app_settings
from quickscale_stripe.exceptions import (
    FulfilmentFailedError,
    MayNotBuyError,
    PaymentsError,
    StripeUnavailableError,
)


class WaitsForStripeMixin(View):
    """A view outside the transaction of ``ATOMIC_REQUESTS``, which would lock rows while
    waiting."""

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Callable[..., HttpResponseBase]:
        return transaction.non_atomic_requests(super().as_view(**initkwargs))


class PaymentsMixin(WaitsForStripeMixin, OwnerRequiredMixin):
    """A page that needs Stripe, and says so if payments are off or Stripe doesn't respond.

    ``back`` names the URL that this error page leads to. ``may_be_done`` says that a request
    without a response may have been carried out.
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
                "You have paid and don't need to pay again. "
                "Your credits are late; we know about it."
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
    """The target of a form. It redirects visitors who come without one, by a link or after signing
    in, to the page with the form, which ``back`` names.
    """

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        return redirect(page_url(request, self.back))


def go_to(request: HttpRequest, url: str) -> HttpResponse:
    """Redirect. HTMX can't follow a redirect to another site, so it gets the address in a
    header."""
    if request.headers.get("HX-Request") == "true":
        return HttpResponse(headers={"HX-Redirect": url})
    return HttpResponseRedirect(url)


def absolute_url(request: HttpRequest, setting: str, url_name: str) -> str:
    """Return the address in a setting, or that of the app's own page."""
    return request.build_absolute_uri(setting or page_url(request, url_name))


def cancel_url(request: HttpRequest, choice: str) -> str:
    """Return where Stripe sends a buyer who doesn't pay; our page then leads to their choice."""
    url = absolute_url(request, app_settings.cancel_url, "quickscale_stripe:checkout_cancelled")
    return url if app_settings.cancel_url else f"{url}?{urlencode({'from': choice})}"


def success_url(request: HttpRequest) -> str:
    url = absolute_url(request, app_settings.success_url, "quickscale_stripe:checkout_done")
    return f"{url}{'&' if '?' in url else '?'}session_id={{CHECKOUT_SESSION_ID}}"
