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
from quickscale_stripe.billing.standing import standing_of
from quickscale_stripe.catalogue import mirror
from quickscale_stripe.conf import app_settings
from quickscale_stripe.exceptions import (
    AlreadySubscribedError,
    NotForSaleError,
    PaymentsError,
    PreviewExpiredError,
    SubscriptionEndsError,
)
from quickscale_stripe.internal.wording import price_terms
from quickscale_stripe.managers import SubscriptionQuerySet
from quickscale_stripe.models import StripePrice, Subscription
from quickscale_stripe.pages import cards
from quickscale_stripe.pages.base import (
    FormTargetMixin,
    PaymentsMixin,
    WaitsForStripeMixin,
    cancel_url,
    go_to,
    success_url,
)
from quickscale_stripe.pages.forms import CancelForm, PlanChangeForm, PlanForm, SignupForm


class SubscriptionMixin(OwnerRequiredMixin):
    """Views of the owner's subscription."""

    back = "quickscale_stripe:subscription"

    def current(self) -> Subscription | None:
        """Return the owner's subscription that has not ended, the newest of several."""
        return self.owned().live().first()

    def owned(self) -> SubscriptionQuerySet:
        owned = Subscription.objects.for_owner(self.owner).with_plans()
        return owned.select_related("owner__stripe_customer")

    def change_url(self, price: StripePrice) -> str:
        """Return the address of the page that previews a change of plan."""
        query = urlencode({"price": price.pk})
        return f"{page_url(self.request, 'quickscale_stripe:change_plan')}?{query}"

    def to_subscription(self) -> HttpResponse:
        return go_to(self.request, page_url(self.request, "quickscale_stripe:subscription"))


class PlansView(FragmentMixin, SubscriptionMixin, PaymentsMixin, PageView):
    """The plans, monthly or yearly, beside the current one."""

    template_name = "quickscale_stripe/plans.html"
    fragment_name = "quickscale_stripe/_plans.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            **cards.plan_choice(
                self.request, mirror.plans(owner=self.owner), subscription=self.current()
            ),
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
                cancel_url=cancel_url(request, "plans"),
                reference=str(form.cleaned_data["reference"]),
            )
        except AlreadySubscribedError:
            messages.info(request, _("You have a subscription. Change its plan here."))
            return self.to_subscription()
        return go_to(request, session.url or "")


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
        customer = getattr(subscription.owner, "stripe_customer", None)
        context = {
            "subscription": subscription,
            "preview": shown,
            "bill": _bill(shown, subscription),
            "method": customer.payment_method if customer else {},
        }
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
            return go_to(request, self.change_url(price))
        except SubscriptionEndsError:
            return self._keep_first()
        if not changed:
            return self.to_subscription()
        if changed.price != price and changed.pending_price != price:
            return self._declined(changed, price)
        if changed.price == price:
            text = _("Your plan has been changed: %(plan)s is yours from today.")
            messages.success(request, text % {"plan": price.product.name})
        else:
            messages.success(request, _scheduled_change(changed))
        return self.to_subscription()

    def _declined(self, subscription: Subscription, price: StripePrice) -> HttpResponse:
        context = {
            "subscription": subscription,
            "price": price,
            "due": standing_of(self.owner).due,
            "again_url": self.change_url(price),
        }
        return render(self.request, "quickscale_stripe/change_declined.html", context, status=402)

    def _keep_first(self) -> HttpResponse:
        messages.info(
            self.request, _("Your subscription is cancelled. Keep it first, then change its plan.")
        )
        return self.to_subscription()


class UpgradeAmountView(SubscriptionMixin, WaitsForStripeMixin):
    """The label of an upgrade's button with the amount, which HTMX loads after the page.

    So the plans don't wait for Stripe. If there is no amount, the button stays as it is.
    """

    http_method_names = ["get"]

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        subscription, form = self.current(), PlanForm(request.GET, owner=self.owner)
        if subscription is None or not form.is_valid():
            return HttpResponse(status=204)
        try:
            amount, currency = plan_changes.due_now(
                subscription=subscription, price=form.cleaned_data["price"]
            )
        except PaymentsError:
            return HttpResponse(status=204)
        context = {"amount": amount, "currency": currency}
        return render(request, "quickscale_stripe/_upgrade_amount.html", context)


def _bill(preview: plan_changes.Preview, subscription: Subscription) -> list[tuple[str, int]]:
    """Return the lines of an upgrade's bill between which and the total nothing is missing.

    Stripe's own words are shown if there is more than the old plan's rest and the new plan.
    """
    lines = list(preview.lines)
    if subscription.price and [amount < 0 for _text, amount in lines] == [True, False]:
        names = {"plan": subscription.price.product.name}
        lines[0] = (_("Unused time of %(plan)s") % names, lines[0][1])
        names = {"plan": preview.price.product.name}
        if preview.renews_at:
            names["date"] = format_day(preview.renews_at)
            lines[1] = (_("%(plan)s until %(date)s") % names, lines[1][1])
    if preview.discount:
        lines.append((_("Discount"), -preview.discount))
    if preview.tax and not preview.tax_is_included:
        lines.append((_("Tax"), preview.tax))
    if preview.balance:
        text = _("Paid from your balance") if preview.balance < 0 else _("Added to your balance")
        lines.append((text, preview.balance))
    return lines


def _scheduled_change(subscription: Subscription) -> str:
    """Describe a change that waits for the end of the period and has charged nothing yet."""
    price, next_price = subscription.price, subscription.pending_price
    if not (price and next_price and subscription.pending_at):
        return _("Your plan changes at the end of the period.")
    many = f"{subscription.quantity} × " if subscription.quantity > 1 else ""
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


class CancelView(SubscriptionMixin, PaymentsMixin, PageView):
    """Says what ending the plan means, and ends it with the paid period."""

    http_method_names = ["get", "post"]
    may_be_done = True
    template_name = "quickscale_stripe/cancel.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        subscription = self.current()
        if subscription is None or subscription.cancel_at:
            return self.to_subscription()
        return self.ask(subscription, CancelForm())

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        subscription, form = self.current(), CancelForm(request.POST)
        if subscription is None:
            return self.to_subscription()
        if not form.is_valid():
            return self.ask(subscription, form)
        ended = subscriptions.cancel_at_period_end(subscription, **form.cleaned_data)
        if ended and ended.cancel_at:
            text = _("Your plan is cancelled. It stays until %(date)s, and you can keep it here.")
            messages.success(request, text % {"date": format_day(ended.cancel_at)})
        return self.to_subscription()

    def ask(self, subscription: Subscription, form: CancelForm) -> HttpResponse:
        cheaper = plan_changes.cheaper(subscription) if not subscription.pending_price else None
        context = self.get_context_data(
            subscription=subscription,
            form=form,
            plan_credits=app_settings.fulfilment.plan_credits(subscription=subscription),
            cheaper=cheaper,
            cheaper_url=cheaper and self.change_url(cheaper),
        )
        return self.render_to_response(context)


class ReactivateView(SubscriptionMixin, FormTargetMixin):
    """Undoes a cancellation."""

    may_be_done = True

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        if subscription := self.current():
            subscriptions.reactivate(subscription)
            messages.success(request, _("Your subscription continues."))
        return self.to_subscription()
