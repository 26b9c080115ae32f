"""Receivers for signals of the site's own models."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db import transaction

from quickscale_stripe.billing import customers, subscriptions
from quickscale_stripe.conf import app_settings
from quickscale_stripe.models import Subscription


def owner_saved(
    instance: Any,
    created: bool,
    raw: bool,
    using: str,
    update_fields: frozenset[str] | None,
    **kwargs: Any,
) -> None:
    """Send an owner's new address or name to Stripe after commit."""
    is_sign_in = update_fields == frozenset({"last_login"})
    if not (created or raw or is_sign_in) and customers.is_behind(instance):
        transaction.on_commit(partial(_follow, instance), using=using, robust=True)


def end_subscriptions(instance: Any, **kwargs: Any) -> None:
    """End an owner's subscriptions at Stripe before the owner is deleted.

    Raises:
        PaymentsError: Stripe can't be reached; the owner isn't deleted.
    """
    for subscription in Subscription.objects.for_owner(instance).live():
        subscriptions.cancel_now(subscription)


def forget_customer(owner: Any, **kwargs: Any) -> None:
    """Delete the customer at Stripe, and what identifies them here."""
    end_subscriptions(owner)
    customers.erase(owner)


def _follow(owner: Any) -> None:
    if app_settings.webhook_tasks:
        from quickscale_stripe.events.tasks import follow_owner

        follow_owner.enqueue(str(owner.pk))
    else:
        customers.follow(owner)
