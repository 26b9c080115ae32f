"""The cards of plans and packages: what each shows, and what its button does."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from django.http import HttpRequest

from quickscale_stripe.billing import plan_changes
from quickscale_stripe.catalogue.mirror import Offer
from quickscale_stripe.models import StripePrice, Subscription

Action: TypeAlias = Literal["buy", "subscribe", "upgrade", "switch", "current", "pending", "manage"]
UrlOf: TypeAlias = Callable[[StripePrice], str]

#: From this many plans on, their features are compared in a table.
COMPARED = 3


@dataclass(frozen=True)
class Card:
    """An offer with what its button does: ``action``.

    ``sign_up_url`` leads a visitor there. ``is_picked`` is set on the card that they chose before
    they signed up.
    """

    offer: Offer
    action: Action
    sign_up_url: str
    is_most_chosen: bool
    is_picked: bool
    is_primary: bool

    @property
    def price(self) -> StripePrice:
        return self.offer.price


def package_cards(
    request: HttpRequest, offers: list[Offer], *, sign_up_url: UrlOf | None = None
) -> list[Card]:
    """Return the cards of packages. ``sign_up_url`` is that of :func:`plan_choice`."""
    return _cards([(offer, "buy") for offer in offers], _picked(request), sign_up_url)


def plan_choice(
    request: HttpRequest,
    offers: list[Offer],
    *,
    subscription: Subscription | None,
    sign_up_url: UrlOf | None = None,
) -> dict[str, Any]:
    """Return the variables of ``_plans.html``: the cards of one interval, and the intervals.

    Args:
        offers: the plans on sale, of all intervals.
        subscription: the owner's, which decides what the buttons do.
        sign_up_url: where the button of a price leads a visitor.
    """
    intervals = {offer.price.interval: offer.price.get_interval_display() for offer in offers}
    picked = _picked(request)
    own = [subscription.price] if subscription and subscription.price else []
    first = [*(offer.price for offer in offers if str(offer.price.pk) == picked), *own]
    chosen = request.GET.get("interval", first[0].interval if first else "")
    if chosen not in intervals:
        chosen = "month" if "month" in intervals else next(iter(intervals), "")
    shown = [offer for offer in offers if offer.price.interval == chosen]
    yearly = [offer.savings for offer in offers if offer.price.interval == "year"]
    return {
        "cards": _cards(
            [(offer, _action(offer.price, subscription)) for offer in shown], picked, sign_up_url
        ),
        "features": _compared([offer.price.product.features for offer in shown]),
        "intervals": [
            {"value": value, "label": label, "is_shown": value == chosen}
            for value, label in sorted(intervals.items())
        ],
        "saves": max(yearly, default=0),
        "subscription": subscription,
    }


def _picked(request: HttpRequest) -> str:
    """Return the key of the price that the visitor chose before signing up; empty without one."""
    return request.GET.get("price", "")


def _action(price: StripePrice, subscription: Subscription | None) -> Action:
    if subscription is None:
        return "subscribe"
    if price == subscription.price:
        return "current"
    if price == subscription.pending_price:
        return "pending"
    if subscription.cancel_at or subscription.status == Subscription.Status.INCOMPLETE:
        return "manage"
    return "upgrade" if plan_changes.is_upgrade(subscription, price) else "switch"


def _cards(
    offers: Iterable[tuple[Offer, Action]], picked: str, sign_up_url: UrlOf | None
) -> list[Card]:
    """Make the cards; the first that is most chosen stands out."""
    pairs = list(offers)
    found = (offer.price for offer, _ in pairs if offer.price.product.is_most_chosen)
    most_chosen = next(found, None)
    return [
        Card(
            offer,
            action,
            sign_up_url=sign_up_url(offer.price) if sign_up_url else "",
            is_most_chosen=offer.price == most_chosen,
            is_picked=str(offer.price.pk) == picked,
            is_primary=action == "upgrade" or most_chosen in (None, offer.price),
        )
        for offer, action in pairs
    ]


def _compared(features: list[list[str]]) -> list[str]:
    """Return the features of several plans once each; none if a table would tell nothing new."""
    every = list(dict.fromkeys(name for names in features for name in names))
    differ = any(name not in names for name in every for names in features)
    return every if differ and len(features) >= COMPARED else []
