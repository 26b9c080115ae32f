from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.generic import TemplateView

from quickscale.fragments import FragmentMixin
from quickscale_stripe import catalogue, checkout, plan_changes, subscriptions
from quickscale_stripe.client import payments_are_on
from quickscale_stripe.conf import app_settings
from quickscale_stripe.exceptions import AlreadySubscribedError, NotForSaleError
from quickscale_stripe.forms import PlanChangeForm, PlanForm, SignupForm
from quickscale_stripe.managers import SubscriptionQuerySet
from quickscale_stripe.models import Payment, Subscription
from quickscale_stripe.views import OwnerMixin, PaymentsMixin, absolute_url, go_to, success_url


class SubscriptionMixin(OwnerMixin):
    """Views of the owner's subscription."""

    back = "quickscale_stripe:subscription"

    def current(self) -> Subscription | None:
        """The owner's subscription that has not ended, the newest of several."""
        return self.owned().live().first()

    def owned(self) -> SubscriptionQuerySet:
        owned = Subscription.objects.for_owner(self.owner)
        return owned.select_related("price__product", "pending_price__product")

    def to_subscription(self) -> HttpResponse:
        return go_to(self.request, reverse("quickscale_stripe:subscription"))


class PlansView(FragmentMixin, SubscriptionMixin, PaymentsMixin, TemplateView):
    """The plans, monthly or yearly, beside the current one."""

    template_name = "quickscale_stripe/plans.html"
    fragment_name = "quickscale_stripe/_plans.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        offers = catalogue.plans()
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


class SubscribeView(SubscriptionMixin, PaymentsMixin):
    """Sends a new subscriber to Stripe's page, and one who has a plan to the plan's page."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        form = SignupForm(request.POST)
        if not form.is_valid():
            messages.warning(request, _("This plan is no longer for sale."))
            return go_to(request, reverse("quickscale_stripe:plans"))
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


class SubscriptionView(SubscriptionMixin, TemplateView):
    """The subscription, or the last one when it ended, with the payment that is due for it."""

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
    """Shows what a change costs and when it comes, and makes it."""

    http_method_names = ["get", "post"]
    may_be_done = True
    template_name = "quickscale_stripe/change_plan.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        subscription, form = self.current(), PlanForm(request.GET)
        if subscription is None or not form.is_valid():
            return go_to(request, reverse("quickscale_stripe:plans"))
        try:
            shown = plan_changes.preview(
                subscription=subscription, price=form.cleaned_data["price"]
            )
        except NotForSaleError:
            return self.to_subscription()
        context = {"subscription": subscription, "preview": shown}
        return render(request, self.template_name, context)

    def post(self, request: HttpRequest) -> HttpResponse:
        subscription, form = self.current(), PlanChangeForm(request.POST)
        if subscription is None or not form.is_valid():
            return go_to(request, reverse("quickscale_stripe:plans"))
        price = form.cleaned_data["price"]
        try:
            changed = plan_changes.change(
                subscription=subscription,
                price=price,
                proration_date=form.cleaned_data["proration_date"],
            )
        except NotForSaleError:
            return self.to_subscription()
        if changed and price in (changed.price, changed.pending_price):
            messages.success(request, _("Your plan is changed."))
        else:
            messages.warning(
                request, _("The payment did not go through, so you keep your plan for now.")
            )
        return self.to_subscription()


class KeepPlanView(SubscriptionMixin, PaymentsMixin):
    """Drops a change of plan that was to come."""

    http_method_names = ["post"]
    may_be_done = True

    def post(self, request: HttpRequest) -> HttpResponse:
        if subscription := self.current():
            subscriptions.keep_plan(subscription)
            messages.success(request, _("You keep your plan."))
        return self.to_subscription()


class CancelView(SubscriptionMixin, PaymentsMixin):
    http_method_names = ["post"]
    may_be_done = True

    def post(self, request: HttpRequest) -> HttpResponse:
        if subscription := self.current():
            subscriptions.cancel_at_period_end(subscription)
            messages.success(request, _("Your subscription ends with the current period."))
        return self.to_subscription()


class ReactivateView(SubscriptionMixin, PaymentsMixin):
    http_method_names = ["post"]
    may_be_done = True

    def post(self, request: HttpRequest) -> HttpResponse:
        if subscription := self.current():
            subscriptions.reactivate(subscription)
            messages.success(request, _("Your subscription goes on."))
        return self.to_subscription()
