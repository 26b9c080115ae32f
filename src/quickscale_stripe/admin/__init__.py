"""Stripe's objects in Django's admin. Actions call the same functions as the rest of the app."""

from __future__ import annotations

from quickscale_stripe.admin import catalogue, customers, events, payments

__all__ = ["catalogue", "customers", "events", "payments"]
