"""The public page with the prices, for visitors and customers."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.apps import apps
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest
from django.shortcuts import resolve_url
from django.utils.decorators import method_decorator

from quickscale.internal.fragments import FragmentMixin
from quickscale.links import PageView, find_page_url, has_page
from quickscale.owner import owner_of_page
from quickscale_stripe.catalogue import mirror
from quickscale_stripe.client import payments_are_on
from quickscale_stripe.models import StripePrice, Subscription
from quickscale_stripe.pages import cards


@method_decorator(login_not_required, name="dispatch")
class PricingView(FragmentMixin, PageView):
    """Plans and packages from the site's own catalogue, without a request to Stripe.

    Customers get the buttons of the pages that sell; visitors sign up first.
    """

    template_name = "quickscale_stripe/pricing.html"
    fragment_name = "quickscale_stripe/_plans.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        if not payments_are_on():
            return super().get_context_data(**kwargs)
        request, owner = self.request, owner_of_page(self.request)
        url_of = None if owner and _sells_at(request) else _sign_up_url(request)
        owned = Subscription.objects.for_owner(owner)
        plans, packages = mirror.plans_and_packages(owner=owner)
        return super().get_context_data(
            **cards.plan_choice(
                request,
                plans,
                subscription=owned.live().with_plans().first(),
                sign_up_url=url_of,
            ),
            packages=cards.package_cards(request, packages, sign_up_url=url_of),
            reference=uuid.uuid4(),
            **kwargs,
        )


def _sells_at(request: HttpRequest, name: str = "plans") -> str:
    """Return a selling page's URL; empty if it needs parameters that this page doesn't have."""
    return find_page_url(request, f"quickscale_stripe:{name}")


def _may_sign_up(request: HttpRequest) -> bool:
    if not has_page("account_signup"):
        return False
    if not apps.is_installed("allauth.account"):
        return True
    from allauth.account.adapter import get_adapter

    is_open: bool = get_adapter(request).is_open_for_signup(request)
    return is_open


def _sign_up_url(request: HttpRequest) -> Callable[[StripePrice], str]:
    """Return a function of a price: the sign-up that then leads to the page with its button.

    Where nobody may sign up, it is the sign-in.
    """
    if request.user.is_authenticated:
        home = resolve_url(settings.LOGIN_REDIRECT_URL)
        return lambda price: home
    sign_up = resolve_url("account_signup" if _may_sign_up(request) else settings.LOGIN_URL)

    def url_of(price: StripePrice) -> str:
        page = _sells_at(request, "plans" if price.is_subscription else "buy_credits")
        if not page:
            return sign_up
        return f"{sign_up}?{urlencode({'next': f'{page}?price={price.pk}'})}"

    return url_of
