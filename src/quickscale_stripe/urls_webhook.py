"""Stripe's endpoint; usually mounted at ``/stripe/``."""

from __future__ import annotations

from django.urls import path

from quickscale_stripe.pages.webhook import WebhookView

urlpatterns = [path("webhook/", WebhookView.as_view(), name="stripe_webhook")]
