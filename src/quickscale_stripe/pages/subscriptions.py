from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from quickscale.formats import format_day
from quickscale.internal.fragments import FragmentMixin
from quickscale.links import PageView, page_url
from quickscale.login import OwnerRequiredMixin
from quickscale_stripe.billing import checkout, plan_changes, subscriptions
from quickscale_stripe.catalogue import mirror
from quickscale_stripe.client import payments_are_on
from quickscale_stripe.conf import app_settings
from quickscale_stripe.exceptions import (
    AlreadySubscribedError,
    NotForSaleError,
    PreviewExpiredError,
    SubscriptionEndsError,
)
from quickscale_stripe.internal.wording import price_terms
from quickscale_stripe.managers import SubscriptionQuerySet
from quickscale_stripe.models import Payment, Subscription
from quickscale_stripe.pages.base import (
    FormTargetMixin,
    PaymentsMixin,
    absolute_url,
    go_to,
    success_url,
)
from quickscale_stripe.pages.forms import PlanChangeForm, PlanForm, SignupForm


class SubscriptionMixin(OwnerRequiredMixin):
    """Views of the owner's subscription."""

    back = "quickscale_stripe:subscription"

    def current(self) -> Subscription | None:
        """Return the owner's subscription that has not ended, the newest of several."""
        return self.owned().live().first()

    def owned(self) -> SubscriptionQuerySet:
        owned = Subscription.objects.for_owner(self.owner)
        return owned.select_related("price__product", "pending_price__product")

    def to_subscription(self) -> HttpResponse:
        return go_to(self.request, page_url(self.request, "quickscale_stripe:subscription"))


class PlansView(FragmentMixin, SubscriptionMixin, PaymentsMixin, PageView):
    """The plans, monthly or yearly, beside the current one."""

    template_name = "quickscale_stripe/plans.html"
    fragment_name = "quickscale_stripe/_plans.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        offers = mirror.plans(owner=self.owner)
        yearly = [offer.savings for offer in offers if offer.price.interval == "year"]
        intervals = {offer.price.interval: offer.price.get_interval_display() for offer in offers}
        current = self.current()
        own = current.price.interval if current and current.price else ""
        chosen = self.request.GET.get("interval", own)
        if chosen not in intervals:
            chosen = "month" if "month" in intervals else next(iter(intervals), "")
        shown = [offer for offer in offers if offer.price.interval == chosen]
        features = [feature for offer in shown for feature in offer.price.product.features]
        return super().get_context_data(
            offers=shown,
            features=list(dict.fromkeys(features)),
            intervals=sorted(intervals.items()),
            interval=chosen,
            saves=max(yearly, default=0),
            subscription=current,
            reference=uuid.uuid4(),
            **kwargs,
        )


class SubscribeView(SubscriptionMixin, FormTargetMixin):
    """Sends a new subscriber to Stripe's page, and one who has a plan to the subscription's
    page."""

    back = "quickscale_stripe:plans"

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        form = SignupForm(request.POST, owner=self.owner)
        if not form.is_valid():
            messages.warning(request, _("This plan is no longer for sale."))
            return go_to(request, page_url(request, "quickscale_stripe:plans"))
        try:
            session = checkout.subscribe(
                owner=self.owner,
                price=form.cleaned_data["price"],
                success_url=success_url(request),
                cancel_url=absolute_url(
                    request, app_settings.cancel_url, "quickscale_stripe:checkout_cancelled"
                ),
                reference=str(form.cleaned_data["reference"]),
            )
        except AlreadySubscribedError:
            messages.info(request, _("You have a subscription. Change its plan here."))
            return self.to_subscription()
        return go_to(request, session.url or "")


class SubscriptionView(SubscriptionMixin, PageView):
    """The subscription, or the last one that ended, with its payment that is due."""

    template_name = "quickscale_stripe/subscription.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        subscription = self.current() or self.owned().order_by("-created_at", "-id").first()
        return super().get_context_data(
            subscription=subscription,
            due=self._due(subscription) if subscription and subscription.is_live else None,
            payments_are_on=payments_are_on(),
            **kwargs,
        )

    def _due(self, subscription: Subscription) -> Payment | None:
        payments = Payment.objects.for_owner(self.owner).exclude(invoice_url="")
        return payments.filter(subscription=subscription, paid_at=None).first()


class ChangePlanView(SubscriptionMixin, PaymentsMixin):
    """Shows what a change costs and when it takes effect, and makes it."""

    http_method_names = ["get", "post"]
    may_be_done = True
    template_name = "quickscale_stripe/change_plan.html"

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        subscription, form = self.current(), PlanForm(request.GET, owner=self.owner)
        if subscription is None or not form.is_valid():
            return go_to(request, page_url(request, "quickscale_stripe:plans"))
        try:
            shown = plan_changes.preview(
                subscription=subscription, price=form.cleaned_data["price"]
            )
        except NotForSaleError:
            return self.to_subscription()
        except SubscriptionEndsError:
            return self._keep_first()
        context = {"subscription": subscription, "preview": shown}
        return render(request, self.template_name, context)

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        subscription, form = self.current(), PlanChangeForm(request.POST, owner=self.owner)
        if subscription is None or not form.is_valid():
            return go_to(request, page_url(request, "quickscale_stripe:plans"))
        price = form.cleaned_data["price"]
        try:
            changed = plan_changes.change(
                subscription=subscription,
                price=price,
                token=form.cleaned_data["token"],
            )
        except NotForSaleError:
            return self.to_subscription()
        except PreviewExpiredError:
            messages.warning(request, _("Please check the change again: its price may differ."))
            query = urlencode({"price": price.pk})
            return go_to(request, f"{page_url(request, 'quickscale_stripe:change_plan')}?{query}")
        except SubscriptionEndsError:
            return self._keep_first()
        if changed and changed.price == price:
            messages.success(request, _("Your plan has been changed."))
        elif changed and changed.pending_price == price:
            messages.success(request, _scheduled_change(changed))
        else:
            messages.warning(
                request, _("The payment did not go through, so you keep your plan for now.")
            )
        return self.to_subscription()

    def _keep_first(self) -> HttpResponse:
        messages.info(
            self.request, _("Your subscription is cancelled. Keep it first, then change its plan.")
        )
        return self.to_subscription()


def _scheduled_change(subscription: Subscription) -> str:
    """Describe a change that waits for the end of the period and has charged nothing yet."""
    price, next_price = subscription.price, subscription.pending_price
    if not (price and next_price and subscription.pending_at):
        return _("Your plan changes at the end of the period.")
    many = f"{subscription.quantity} \N{MULTIPLICATION SIGN} " if subscription.quantity > 1 else ""
    return _("%(plan)s stays until %(date)s. Then %(next)s, %(price)s.") % {
        "plan": price.product.name,
        "date": format_day(subscription.pending_at),
        "next": next_price.product.name,
        "price": f"{many}{price_terms(next_price)}",
    }


class KeepPlanView(SubscriptionMixin, FormTargetMixin):
    """Drops a scheduled plan change."""

    may_be_done = True

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        if subscription := self.current():
            subscriptions.keep_plan(subscription)
            messages.success(request, _("You keep your plan."))
        return self.to_subscription()


class CancelView(SubscriptionMixin, FormTargetMixin):
    """Ends the subscription with the paid period."""

    may_be_done = True

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        if subscription := self.current():
            subscriptions.cancel_at_period_end(subscription)
            messages.success(request, _("Your subscription ends with the current period."))
        return self.to_subscription()


class ReactivateView(SubscriptionMixin, FormTargetMixin):
    """Undoes a cancellation."""

    may_be_done = True

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        if subscription := self.current():
            subscriptions.reactivate(subscription)
            messages.success(request, _("Your subscription continues."))
        return self.to_subscription()
