"""Handling events outside the request, by Django's tasks (Django 6.0 and later).

Imported only where ``QUICKSCALE_STRIPE_WEBHOOK_TASKS`` is on.
"""

from __future__ import annotations

from django.tasks import task

from quickscale_stripe import webhooks


@task
def process_event(event_id: int) -> str:
    """Handle a stored event; a failure is recorded with it, and ``replay_events --due`` retries."""
    return webhooks.process(event_id).value
