"""The pages of the ledger and of payments."""

from __future__ import annotations

from django.urls import include, path

from tests.projects.credits_only.urls import urlpatterns as credits_urls

urlpatterns = [
    path("stripe/", include("quickscale_stripe.urls_webhook")),
    path("dashboard/", include("quickscale_stripe.urls")),
    path("", include("quickscale_stripe.urls_public")),
    *credits_urls,
]
