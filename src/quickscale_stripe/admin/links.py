"""Links to Stripe's own pages about an object."""

from __future__ import annotations

from django.utils.html import format_html
from django.utils.translation import gettext as _

from quickscale_stripe.client import has_stand_in

DASHBOARD = "https://dashboard.stripe.com"


def stripe_url(kind: str, stripe_id: str | None, *, livemode: bool) -> str:
    """Return the page of an object in Stripe's dashboard; empty for a stand-in's object.

    Args:
        kind: as in the dashboard's addresses: ``customers``, ``payments``, ``products``, ...
    """
    if not stripe_id or has_stand_in():
        return ""
    return f"{DASHBOARD}/{'' if livemode else 'test/'}{kind}/{stripe_id}"


def stripe_link(kind: str, stripe_id: str | None, *, livemode: bool) -> str:
    """Return the id, as a link if Stripe has a page for it."""
    url = stripe_url(kind, stripe_id, livemode=livemode)
    if not url:
        return stripe_id or ""
    return format_html('<a href="{}">{} ({})</a>', url, stripe_id, _("open in Stripe"))
