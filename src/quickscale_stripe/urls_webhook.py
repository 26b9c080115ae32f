"""Mounted at ``/stripe/``: Stripe's endpoint and, when it is on, the sandbox's pages."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from quickscale_stripe.conf import app_settings
from quickscale_stripe.pages.views import WebhookView

urlpatterns: list[URLPattern | URLResolver] = [
    path("webhook/", WebhookView.as_view(), name="stripe_webhook"),
]
if app_settings.sandbox:
    urlpatterns.append(path("sandbox/", include("quickscale_stripe.sandbox.urls")))
