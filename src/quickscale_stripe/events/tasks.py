"""Work that waits for Stripe outside the request, as Django tasks (Django 6.0 and later).

Imported only where ``QUICKSCALE_STRIPE_WEBHOOK_TASKS`` is on.
"""

from __future__ import annotations

from django.tasks import task

from quickscale.owner import get_owner_model
from quickscale_stripe.billing import customers
from quickscale_stripe.events import inbox


@task
def process_event(event_id: int) -> str:
    """Handle a stored event; a failure is recorded on it, and ``replay_events --due`` retries."""
    return inbox.process(event_id).value


@task
def follow_owner(owner_id: str) -> None:
    """Send an owner's new address and name to Stripe."""
    owner = get_owner_model()._default_manager.filter(pk=owner_id).first()
    if owner is not None:
        customers.follow(owner)
