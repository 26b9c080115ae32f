"""Stripe's objects in Django's admin; actions call the same functions as everything else."""

from __future__ import annotations

from quickscale_stripe.admin import catalogue, customers, events, payments

__all__ = ["catalogue", "customers", "events", "payments"]
